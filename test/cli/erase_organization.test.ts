import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeAnalyst, makeKey, makeOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";
import { type Refusal, withErasures } from "./erasure.ts";

/** Organizations are taken out of everything, and the audit log still proves itself. */

const database = withTestDatabase();
const gateway = withGateway(database);
const { erase, seal, problems, find } = withErasures(database);

describe("an organization", () => {
  test("is taken out with every row of every table, and its chain stays whole", async () => {
    const canary = "canary";
    const organization = await makeOrganization(database, {
      slug: `${canary}-slug`,
      name: `${canary} Inc.`,
      owner: "owner@keeps.example",
    });
    const key = await makeKey(database, organization, [
      "prompts:write",
      "prompts:read",
      "analyses:write",
      "features:write",
    ]);
    await makeAnalyst(database, [organization]);
    const { createPrompt: { prompt } } = await graphqlData<
      { createPrompt: { prompt: { id: string } } }
    >(gateway.url, {
      key,
      query:
        `mutation { createPrompt(input: { prompt: { name: "${canary}", content: "${canary}" } }) { prompt { id } } }`,
    });
    await database.query(
      `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, $2) returning id)
       insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'c', $2 from r`,
      [organization.id, canary],
    );
    await database.query(
      `insert into app.mart_check (buckets, differences, details)
       values (1, 1, jsonb_build_array(jsonb_build_object('organization', $1::text)))`,
      [organization.slug],
    );
    await recordAnalyses(gateway.url, key, [{
      promptId: prompt.id,
      result: RESULT,
      metrics: [{ key: canary, valueNum: 1 }],
      scores: [{ rubric: canary, criterion: "c", score: 1, comment: canary }],
    }]);
    await database.query("select app.mart_refresh_all()");
    await database.query(
      `insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', $2)`,
      [organization.id, canary],
    );
    await seal();
    // A superuser may not erase with it what is not the organization's
    const others = await database.query<{ n: number }>(
      "select count(*)::int as n from ops.audit_log where organization_id <> $1 and erasure_id is not null",
      [organization.id],
    );
    const receipt = await erase("organization", organization.slug);
    expect(receipt.counts).toMatchObject({
      "ops.organization": 1,
      "core.prompts": 1,
      "core.prompt_versions": 1,
      "ops.judge_score": 1,
      "ops.analyst_grant": 1,
      "mart.analysis_daily": 1,
    });
    expect(await find(canary)).toEqual([]);
    const tables = await database.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
        where n.nspname in ('app', 'core', 'ops', 'mart') and c.relkind in ('r', 'p') and not c.relispartition
          and c.relname not in ('audit_log', 'audit_seal', 'audit_detachment')`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const [row] = await database.query<{ n: number }>(
        `select count(*)::int as n from ${name} where organization_id = $1`,
        [organization.id],
      );
      expect(row?.n, name).toBe(0);
    }
    expect(await problems()).toEqual([]);
    await seal();
    expect(await problems()).toEqual([]);
    const kept = await database.query<{ action: string; entity_type: string }>(
      "select action, entity_type from ops.audit_log where organization_id = $1 order by seq",
      [organization.id],
    );
    expect(kept[0]).toEqual({ action: "insert", entity_type: "ops.organization" });
    expect(kept.at(-1)).toEqual({ action: "erase", entity_type: "ops.organization" });
    expect(
      await database.query(
        "select count(*)::int as n from ops.audit_log where organization_id <> $1 and erasure_id is not null",
        [organization.id],
      ),
    ).toEqual(others);
    const [owner] = await database.query("select email from core.users where id = $1", [
      organization.ownerUserId,
    ]);
    expect(owner).toEqual({ email: organization.ownerEmail });
    expect((await erase<Refusal>("organization", organization.slug, 1)).error.code).toBe(
      "NOT_FOUND",
    );
  });

  test("that is not there, or not any more, is refused", async () => {
    const { id, slug } = await makeOrganization(database);
    await erase("organization", slug);
    for (const gone of [id, randomUUID()]) {
      await expect(database.query("select app.erase_organization($1)", [gone])).rejects
        .toMatchObject({ code: "CU003" });
    }
  });

  test("of a person goes with the person only", async () => {
    const person = await makePerson(database);
    const { error } = await erase<Refusal>("organization", `user-${person.userId}`, 1);
    expect(error.message).toContain("it is erased with the user");
  });
});
