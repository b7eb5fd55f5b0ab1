import { beforeAll, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { asPrincipal } from "./as_principal.ts";
import { tryFunctions } from "./function_cells.ts";
import { readRights, type Rights } from "./rights.ts";
import { readTargets, tryColumns, tryTables, type Wrong } from "./table_cells.ts";
import { makeWorld, type Principal, type World } from "./world.ts";

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

test("a right too many, of any kind, would be noticed", async () => {
  const viewer = world.principals.find(({ name }) => name === "viewer");
  const analyst = world.principals.find(({ name }) => name === "analyst");
  const owner = world.principals.find(({ name }) => name === "owner");
  if (!viewer || !analyst || !owner) throw new Error("No such principal");
  const holes: [string, string, Principal, RegExp][] = [
    [
      "create policy hole on ops.organization_user for update to curestry_member using (true); grant update (role) on ops.organization_user to curestry_member",
      "drop policy hole on ops.organization_user; revoke update (role) on ops.organization_user from curestry_member",
      owner,
      /update ops.organization_user \(role\)/,
    ],
    [
      "create policy hole on core.prompts for select to curestry_member using (true)",
      "drop policy hole on core.prompts",
      viewer,
      /select core.prompts \(other\)/,
    ],
    [
      "grant select on ops.provider_credential to curestry_analyst; create policy hole on ops.provider_credential to curestry_analyst using (true)",
      "revoke select on ops.provider_credential from curestry_analyst; drop policy hole on ops.provider_credential",
      analyst,
      /select ops.provider_credential \(own\)/,
    ],
    [
      "alter view report.prompts set (security_invoker = false)",
      "alter view report.prompts set (security_invoker = true)",
      analyst,
      /select report.prompts \(other\)/,
    ],
    [
      "grant execute on function app.user_ensure(text) to public",
      "revoke execute on function app.user_ensure(text) from public",
      viewer,
      /execute app.user_ensure/,
    ],
  ];
  for (const [open, close, principal, cell] of holes) {
    const targets = await readTargets(database, rights, world, principal);
    await database.query(open);
    const wrong = await asPrincipal(principal, async (attempt) => [
      ...(await tryTables(rights, world, targets, principal, attempt)).wrong,
      ...(await tryColumns(rights, targets, principal, attempt)).wrong,
      ...(await tryFunctions(database, rights, world, principal, attempt)).wrong,
    ]);
    await database.query(close);
    expect(wrong.map(({ cell }) => cell).join("\n")).toMatch(cell);
  }
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
