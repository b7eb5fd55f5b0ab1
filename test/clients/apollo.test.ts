import { expect, test } from "vitest";
import { expected, withStockClient } from "./stock_client.ts";

const client = await withStockClient("Apollo Client", { file: "apollo.ts", as: "main.ts" });

test.skipIf(!client.isHere)(
  `Apollo's cache knows each row once, and puts pages together${client.note}`,
  async () => {
    expect(await client.runProgram()).toEqual({
      ...expected,
      renamed: ["Greeting 1", "Greeting 2", "Renamed"],
      cached: 3,
    });
  },
);
