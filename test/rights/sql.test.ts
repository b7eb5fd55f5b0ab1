import { beforeAll, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { asPrincipal } from "./as_principal.ts";
import { tryFunctions } from "./function_cells.ts";
import { readRights, type Rights } from "./rights.ts";
import { readTargets, tryColumns, tryTables, type Wrong } from "./table_cells.ts";
import { makeWorld, type World } from "./world.ts";

/** The rights of `test/rights.json`, tried with SQL: every principal, table, function and verb. */

const database = withTestDatabase();
let rights: Rights;
let world: World;

beforeAll(async () => {
  rights = await readRights();
  world = await makeWorld(database, rights);
});

test("every cell of the table of rights holds in SQL", async () => {
  let cells = 0;
  const wrong: Wrong[] = [];
  for (const principal of world.principals) {
    const targets = await readTargets(database, rights, world, principal);
    await asPrincipal(principal, async (attempt) => {
      for (
        const part of [
          await tryTables(rights, world, targets, principal, attempt),
          await tryColumns(rights, targets, principal, attempt),
          await tryFunctions(database, rights, world, principal, attempt),
        ]
      ) {
        cells += part.cells;
        wrong.push(...part.wrong);
      }
    });
  }
  console.log(`${cells} cells of the table of rights tried with SQL`);
  expect(wrong).toEqual([]);
  expect(cells).toBeGreaterThan(10_000);
});

test.for(["invited", "removed"])("%s people cannot choose the organization", async (name) => {
  const principal = world.principals.find((each) => each.name === name);
  if (!principal) throw new Error("No such principal");
  await expect(
    asPrincipal({ ...principal, slug: world.ours.slug }, () => Promise.resolve()),
  ).rejects.toMatchObject({ code: "CU002" });
});

test("nobody chooses the other organization", async () => {
  for (const principal of world.principals.filter(({ role }) => role === "member")) {
    await expect(
      asPrincipal({ ...principal, slug: world.theirs.slug }, () => Promise.resolve()),
    ).rejects.toMatchObject({ code: "CU002" });
  }
});
