import { expect, test } from "vitest";
import { expected, withStockClient } from "./stock_client.ts";

const client = await withStockClient("Relay", { file: "relay.ts", as: "app/relay.ts" });

test.skipIf(!client.isHere)(
  `Relay compiles, reads pages, and knows rows by nodeId${client.note}`,
  async () => {
    await client.npx("relay-compiler", "relay.config.json");
    expect(await client.runProgram("--sloppy-imports")).toEqual({
      ...expected,
      renamed: ["Greeting 1", "Greeting 2", "Renamed"],
    });
  },
);
