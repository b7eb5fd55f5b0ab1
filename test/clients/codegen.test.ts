import { expect, test } from "vitest";
import { expected, withStockClient } from "./stock_client.ts";

const client = await withStockClient("GraphQL Code Generator", {
  file: "codegen.ts",
  as: "main.ts",
});

test.skipIf(!client.isHere)(
  `GraphQL Code Generator makes types that hold${client.note}`,
  async () => {
    await client.npx("graphql-codegen", "--config", "codegen.ts");
    expect(await client.runProgram("--check")).toEqual(expected);
  },
);
