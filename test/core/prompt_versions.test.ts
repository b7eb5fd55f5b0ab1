import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { withClient } from "../../src/database/open_client.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { makePerson, type TestPerson } from "../helpers/token.ts";

/** Every text of a prompt is kept, and an analysis says which of them it is of. */

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let person: TestPerson;
let key: string;

beforeAll(async () => {
  organization = await makeOrganization(database);
  person = await makePerson(database, "writer@x.example");
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'member')",
    [organization.id, person.userId],
  );
  key = await makeKey(database, organization, [
    "prompts:read",
    "prompts:write",
    "analyses:read",
    "analyses:write",
    "keys:write",
  ]);
});

const as = () => ({ token: person.token, organization: organization.slug });

async function createPrompt(content: string): Promise<string> {
  const { createPrompt: { prompt } } = await graphqlData<
    { createPrompt: { prompt: { id: string } } }
  >(gateway.url, {
    ...as(),
    query:
      `mutation ($content: String!) { createPrompt(input: { prompt: { name: "p", content: $content } }) { prompt { id } } }`,
    variables: { content },
  });
  return prompt.id;
}

async function update(id: string, patch: Record<string, unknown>, who: object = as()) {
  await graphqlData(gateway.url, {
    ...who,
    query: `mutation ($id: String!, $patch: PromptPatch!) {
      updatePrompt(input: { id: $id, patch: $patch }) { prompt { id } } }`,
    variables: { id, patch },
  });
}

interface Version {
  id: string;
  version: number;
  content: string;
  formatType: string;
  userId: number | null;
  apiKey: { name: string } | null;
}

async function versions(id: string): Promise<{ version: number; list: Version[] }> {
  const { prompt } = await graphqlData<
    { prompt: { version: number; promptVersions: { nodes: Version[] } } }
  >(gateway.url, {
    key,
    query: `query ($id: String!) { prompt(id: $id) { version promptVersions {
      nodes { id version content formatType userId apiKey { name } } } } }`,
    variables: { id },
  });
  return {
    version: prompt.version,
    list: prompt.promptVersions.nodes.toSorted((a, b) => a.version - b.version),
  };
}

test("a prompt has a version for each text, with its author; other changes make none", async () => {
  const id = await createPrompt("one");
  await update(id, { content: "two", formatType: "markdown" });
  await update(id, { name: "another" });
  await update(id, { content: "two" });
  await update(id, { content: "three" }, { key });
  const { version, list } = await versions(id);
  expect(version).toBe(3);
  expect(list).toMatchObject([
    { version: 1, content: "one", formatType: "auto", userId: person.userId, apiKey: null },
    { version: 2, content: "two", formatType: "markdown", userId: person.userId },
    { version: 3, content: "three", userId: null },
  ]);
  expect(list[2]?.apiKey?.name).toMatch(/^key /);
});

test("a text written in psql is a version too, whatever the number of rows", async () => {
  await database.query(
    "insert into core.prompts (organization_id, id, name, content) select $1, 'sql-' || n, 'p', 'text ' || n from generate_series(1, 3) as n",
    [organization.id],
  );
  await database.query(
    "update core.prompts set content = content || '!' where organization_id = $1 and id in ('sql-1', 'sql-3')",
    [organization.id],
  );
  for (const [id, count] of [["sql-1", 2], ["sql-2", 1], ["sql-3", 2]] as const) {
    const { version, list } = await versions(id);
    expect(version).toBe(count);
    expect(list).toHaveLength(count);
    expect(list.at(-1)?.content).toBe(`text ${id.at(-1)}${count === 2 ? "!" : ""}`);
  }
});

test("writers at the same time make consecutive versions", async () => {
  const id = await createPrompt("start");
  await Promise.all(
    Array.from(
      { length: 8 },
      (_, n) =>
        database.query("update core.prompts set content = $2 where id = $1", [id, `text ${n}`]),
    ),
  );
  const { list } = await versions(id);
  expect(list.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const [prompt] = await database.query<{ content: string }>(
    "select content from core.prompts where id = $1",
    [id],
  );
  expect(list.at(-1)?.content).toBe(prompt?.content);
});

test("nobody changes, adds or removes a version by hand", async () => {
  const id = await createPrompt("frozen");
  for (
    const statement of [
      "update core.prompt_versions set content = 'x'",
      "delete from core.prompt_versions",
      "insert into core.prompt_versions (prompt_id, version, content) values ('x', 1, 'x')",
    ]
  ) {
    await expect(asMember(database, key, (client) => client.query(statement))).rejects
      .toMatchObject({ code: "42501" });
  }
  expect((await versions(id)).list).toHaveLength(1);
});

test("prompts:read reads them, and analysts do; nothing else does", async () => {
  const id = await createPrompt("read me");
  const count = "select count(*)::int as n from core.prompt_versions where prompt_id = $1";
  const blind = await makeKey(database, organization, ["analyses:read"]);
  const rows = async (with_: string) =>
    (await asMember(database, with_, async (client) => (await client.query(count, [id])).rows))[0];
  expect(await rows(key)).toEqual({ n: 1 });
  expect(await rows(blind)).toEqual({ n: 0 });
  const other = await makeOrganization(database);
  expect(await rows(await makeKey(database, other, ["prompts:read"]))).toEqual({ n: 0 });
  expect(await query(await makeAnalyst(database, [organization]), count, [id])).toEqual([{ n: 1 }]);
  expect(await query(await makeAnalyst(database, [other]), count, [id])).toEqual([{ n: 0 }]);
});

test("the last phase of a migration gives what came through the old names its version, links and metrics", async () => {
  const id = await createPrompt("old text");
  await recordAnalyses(gateway.url, key, [
    { promptId: id, result: RESULT },
    { promptId: id, promptContent: "another", result: RESULT },
  ]);
  const state = `
    select (select jsonb_agg(jsonb_build_array(v.version, v.content)) from core.prompt_versions v where v.prompt_id = $1) as versions,
           (select jsonb_agg(jsonb_build_array(d.prompt_content, v.version, r.prompt_version_id is not distinct from d.prompt_version_id,
                               (select count(*) from ops.analysis_metric m where m.analysis_run_id = r.id)) order by d.prompt_content)
              from core.analysis_results d
              join ops.analysis_run r on r.organization_id = d.organization_id and r.id = d.analysis_run_id
              left join core.prompt_versions v on v.id = d.prompt_version_id
             where d.prompt_id = $1) as links`;
  const folder = join(migrationsFolder, "committed");
  const migration = await readFile(join(folder, "000004-rules.sql"), "utf8");
  const begin = migration.indexOf("/*\n * What came through the old names");
  const move = migration.slice(begin, migration.indexOf("--! Included all.sql", begin));
  await withClient(database.adminUrl, async (client) => {
    const { rows: before } = await client.query(state, [id]);
    expect(before).toEqual([{
      versions: [[1, "old text"]],
      links: [["another", null, true, 6], ["old text", 1, true, 6]],
    }]);
    // As a row that the old backend wrote is, before there are rules
    await client.query("begin; set local session_replication_role = replica");
    await client.query(
      `update core.analysis_results set prompt_version_id = null;
       update ops.analysis_run set prompt_version_id = null;
       delete from core.prompt_versions;
       delete from ops.analysis_metric`,
    );
    expect((await client.query(state, [id])).rows).not.toEqual(before);
    await client.query(move);
    expect((await client.query(state, [id])).rows).toEqual(before);
    await client.query("rollback");
  });
});

describe("an analysis", () => {
  interface Run {
    promptVersion: { version: number; content: string } | null;
    analysisResult: {
      promptContent: string;
      promptVersion: { version: number } | null;
    } | null;
  }

  async function run(id: string | null | undefined): Promise<Run> {
    const { analysisRun } = await graphqlData<{ analysisRun: Run }>(gateway.url, {
      key,
      query: `query ($id: UUID!) { analysisRun(id: $id) {
        promptVersion { version content } analysisResult { promptContent promptVersion { version } } } }`,
      variables: { id },
    });
    return analysisRun;
  }

  test("links the version that was analysed: the current one, or the one with the text given", async () => {
    const promptId = await createPrompt("first");
    await update(promptId, { content: "second" });
    const outcomes = await recordAnalyses(gateway.url, key, [
      { promptId, result: RESULT },
      { promptId, promptContent: "first", result: RESULT },
      { promptId, promptContent: "never its text", result: RESULT },
      { promptContent: "second", result: RESULT },
      { promptId, promptContent: "first", status: "queued" },
    ]);
    const runs = await Promise.all(outcomes.map(({ analysisRunId }) => run(analysisRunId)));
    expect(runs).toEqual([
      {
        promptVersion: { version: 2, content: "second" },
        analysisResult: { promptContent: "second", promptVersion: { version: 2 } },
      },
      {
        promptVersion: { version: 1, content: "first" },
        analysisResult: { promptContent: "first", promptVersion: { version: 1 } },
      },
      {
        promptVersion: null,
        analysisResult: { promptContent: "never its text", promptVersion: null },
      },
      { promptVersion: null, analysisResult: { promptContent: "second", promptVersion: null } },
      { promptVersion: { version: 1, content: "first" }, analysisResult: null },
    ]);
  });

  test("of a text that the prompt had twice is of the newer version", async () => {
    const promptId = await createPrompt("a");
    await update(promptId, { content: "b" });
    await update(promptId, { content: "a" });
    const [outcome] = await recordAnalyses(gateway.url, key, [{
      promptId,
      promptContent: "a",
      result: RESULT,
    }]);
    expect((await run(outcome?.analysisRunId)).promptVersion?.version).toBe(3);
  });

  test("goes on showing the text that it began with, when the prompt changes meanwhile", async () => {
    const promptId = await createPrompt("before");
    const { startAnalysisRun: { result: { id } } } = await graphqlData<
      { startAnalysisRun: { result: { id: string } } }
    >(gateway.url, {
      key,
      query:
        `mutation ($id: String!) { startAnalysisRun(input: { promptId: $id }) { result { id } } }`,
      variables: { id: promptId },
    });
    await update(promptId, { content: "after" });
    await graphqlData(gateway.url, {
      key,
      query:
        `mutation ($id: UUID!, $result: AnalysisResultItemInput) { finishAnalysisRun(input: { id: $id, result: $result }) { result { id } } }`,
      variables: { id, result: RESULT },
    });
    expect(await run(id)).toEqual({
      promptVersion: { version: 1, content: "before" },
      analysisResult: { promptContent: "before", promptVersion: { version: 1 } },
    });
  });

  test("that is imported is linked, too", async () => {
    const promptId = await createPrompt("imported");
    const [line] = await database.query<{ analysis_run_id: string }>(
      "select analysis_run_id from app.analysis_import($1, $2)",
      [
        organization.id,
        JSON.stringify([{ line: 1, record: { promptId, result: RESULT } }]),
      ],
    );
    expect((await run(line?.analysis_run_id)).promptVersion?.version).toBe(1);
  });

  test("keeps its prompt, which goes with its versions once nothing needs it", async () => {
    const promptId = await createPrompt("kept");
    await recordAnalyses(gateway.url, key, [{ promptId, result: RESULT }]);
    const remove = (id: string) =>
      graphql(gateway.url, {
        key,
        query: `mutation ($id: String!) { deletePrompt(input: { id: $id }) { prompt { id } } }`,
        variables: { id },
      });
    expect((await remove(promptId)).errors).toHaveLength(1);
    expect((await versions(promptId)).list).toHaveLength(1);
    const free = await createPrompt("free");
    expect((await remove(free)).errors).toBeUndefined();
    const [left] = await database.query<{ n: number }>(
      "select count(*)::int as n from core.prompt_versions where prompt_id = $1",
      [free],
    );
    expect(left?.n).toBe(0);
  });
});
