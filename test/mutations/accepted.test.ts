import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { acceptedMutants, checkAccepted } from "./accepted.ts";
import { listMutants } from "./list_mutants.ts";

const database = withTestDatabase();

test("policies, triggers, constraints, functions and views are broken, each under a name of its own", async () => {
  const mutants = await withClient(database.adminUrl, listMutants);
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.map(({ name }) => name)).toEqual(expect.arrayContaining([
    "policy select_own on core.prompts: using (true)",
    "policy insert_own on core.prompts: with check (true)",
    "trigger _900_audit_insert on core.prompts: dropped",
    "constraint chk_prompts_name on core.prompts: dropped",
    "unique index core.unq_users_email_lower: dropped",
    "function ops.remove_member: app.require('members:write') → app.organization_id()",
    "function ops.remove_member: perform app.member_check_rank(v_member.role) → null",
  ]));
  expect(mutants.filter(({ kind }) => kind === "view")).not.toEqual([]);
});

test("accepted mutants exist", async () => {
  const mutants = await withClient(database.adminUrl, listMutants);
  expect(checkAccepted(mutants)).toEqual([]);
  expect(checkAccepted([])).toHaveLength(Object.keys(acceptedMutants).length);
});
