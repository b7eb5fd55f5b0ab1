import { expect, test } from "vitest";
import { expected, withStockClient } from "./stock_client.ts";

const client = await withStockClient("gql.tada", { file: "tada.ts", as: "main.ts" });

test.skipIf(!client.isHere)(
  `gql.tada reads the types off the documents${client.note}`,
  async () => {
    await client.npx("gql.tada", "generate-output");
    await client.npx("tsc", "-p", ".");
    expect(await client.runProgram()).toEqual(expected);
  },
);
