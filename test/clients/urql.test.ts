import { expect, test } from "vitest";
import { expected, withStockClient } from "./stock_client.ts";

const client = await withStockClient("urql", { file: "urql.ts", as: "main.ts" });

test.skipIf(!client.isHere)(
  `urql, as it comes: by GET, and its cache asks again after mutations${client.note}`,
  async () => {
    expect(await client.runProgram()).toEqual({
      ...expected,
      counts: [1, 3],
      methods: ["GET", "POST"],
    });
  },
);
