import { createHash } from "node:crypto";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PoolClient } from "pg";
import { makeAdaptor } from "../../src/gateway/database/adaptor.ts";
import { makeFairPool } from "../../src/gateway/database/fair_pool.ts";
import { connectionOf, makePool } from "../../src/gateway/database/pool.ts";
import { makeLog } from "../../src/shared/log.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { AWAIT_LOCK, holdLock } from "../helpers/hold_lock.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";

const database = withTestDatabase();

/** Functions that fail and that wait for `holdLock`, to be found by the gateway when it starts. */
beforeAll(async () => {
  await database.query(`
    create function ops.test_wait() returns boolean
      language plpgsql stable as 'begin perform ${AWAIT_LOCK}; return true; end';
    create function ops.test_work() returns boolean
      language plpgsql volatile as 'begin perform ${AWAIT_LOCK}; return true; end';
    create function ops.test_fail(code text) returns boolean
      language plpgsql stable as 'begin raise exception using errcode = code, message = ''told''; end';
    create function ops.test_context() returns text language sql stable as $$
      select concat_ws(' ', current_user, current_setting('curestry.organization_id', true),
                       current_setting('transaction_isolation'), current_setting('transaction_read_only')) $$;
    grant execute on function ops.test_wait, ops.test_work, ops.test_fail, ops.test_context
      to curestry_member, curestry_anonymous;
    create table ops.test_deferred (
      id integer primary key,
      other integer constraint fk_test_deferred_other references ops.test_deferred deferrable initially deferred);
    grant select, insert on ops.test_deferred to curestry_member`);
});

const gateway = withGateway(database, { poolSize: 3 });
let acme: TestOrganization;
let beta: TestOrganization;
let acmeKey = "";
let betaKey = "";

beforeAll(async () => {
  acme = await makeOrganization(database);
  beta = await makeOrganization(database);
  const scopes = ["prompts:read", "prompts:write", "rubrics:read", "rubrics:write"];
  acmeKey = await makeKey(database, acme, scopes);
  betaKey = await makeKey(database, beta, scopes);
});

/** A rejection that nobody handles ends a Deno process; here it must fail the tests. */
const unhandled: unknown[] = [];
function noteUnhandled(reason: unknown): void {
  unhandled.push(reason);
}
process.on("unhandledRejection", noteUnhandled);
afterAll(() => {
  process.off("unhandledRejection", noteUnhandled);
  expect(unhandled).toEqual([]);
});

async function killConnections(): Promise<number> {
  const [row] = await database.query<{ killed: number }>(
    `select count(pg_terminate_backend(pid))::int as killed from pg_stat_activity
      where datname = current_database() and usename = 'curestry_gateway'`,
  );
  return row?.killed ?? 0;
}

test("a query runs in one read-only snapshot as member, a request without credentials as anonymous", async () => {
  expect(await graphqlData(gateway.url, { query: "{ testContext }", key: acmeKey }))
    .toEqual({ testContext: `curestry_member ${acme.id} repeatable read on` });
  expect(await graphqlData(gateway.url, { query: "{ testContext }" }))
    .toEqual({ testContext: "curestry_anonymous  repeatable read on" });
});

test("all steps of a query see one snapshot: nodes and totalCount agree, while others write", async () => {
  let writing = true;
  const writer = (async () => {
    for (let n = 0; writing; n++) {
      await database.query(
        "insert into core.prompts (organization_id, name, content) values ($1, $2, 'c')",
        [acme.id, `snapshot ${n}`],
      );
      if (n % 3 === 0) {
        await database.query("delete from core.prompts where name like 'snapshot %0'");
      }
    }
  })();
  for (let n = 0; n < 60; n++) {
    const { prompts, again, organizations } = await graphqlData<{
      prompts: { totalCount: number; nodes: unknown[] };
      again: { totalCount: number };
      organizations: { nodes: { prompts: { totalCount: number } }[] };
    }>(gateway.url, {
      key: acmeKey,
      query: `{ prompts { totalCount nodes { id name } } again: prompts { totalCount }
                organizations { nodes { prompts { totalCount aggregates { distinctCount { id } } } } } }`,
    });
    expect(prompts.nodes.length).toBe(Math.min(100, prompts.totalCount));
    expect(again.totalCount).toBe(prompts.totalCount);
    expect(organizations.nodes[0]?.prompts.totalCount).toBe(prompts.totalCount);
  }
  writing = false;
  await writer;
});

test("a query that once needed one turn, and now needs more, is right and has one snapshot", async () => {
  const prompts = await database.query<{ id: string }>(
    `insert into core.prompts (organization_id, name, content)
     select $1, 'turn ' || n, 'c' from generate_series(1, 3) as n returning id`,
    [beta.id],
  );
  await database.query(
    `insert into core.prompt_relations (organization_id, source_id, target_id, relation_type)
     values ($1, $2, $3, 'depends_on')`,
    [beta.id, prompts[0]?.id, prompts[1]?.id],
  );
  const ask = (more: boolean) =>
    graphqlData<{ testContext: string; prompts: { nodes: unknown[] } }>(gateway.url, {
      key: betaKey,
      query: `query ($more: Boolean!) { testContext prompts(first: 3, orderBy: [NAME_ASC]) { nodes {
        name promptRelationsBySourceId(first: 2) @include(if: $more) { totalCount nodes { relationType } } } } }`,
      variables: { more },
    });
  const names = [1, 2, 3].map((n) => ({ name: `turn ${n}` }));
  const relations = [1, 0, 0].map((count) => ({
    promptRelationsBySourceId: {
      totalCount: count,
      nodes: Array.from({ length: count }, () => ({ relationType: "depends_on" })),
    },
  }));
  for (const more of [false, false, true, false, true]) {
    const answer = await ask(more);
    expect(answer.prompts.nodes).toEqual(
      names.map((name, n) => more ? { ...name, ...relations[n] } : name),
    );
    expect(answer.testContext).toBe(`curestry_member ${beta.id} repeatable read on`);
  }
});

test("a query whose document is known takes one turn at the database, and then ends its transaction", async () => {
  const pool = makePool({
    databaseUrl: database.gatewayUrl,
    applicationName: "turns",
    log: makeLog("silent"),
    size: 1,
    connectMs: 60_000,
  }).pool;
  const writes: number[] = [];
  pool.on("connect", (client) => {
    const { stream } = connectionOf(client as PoolClient);
    const write = stream.write.bind(stream);
    stream.write = ((...args: Parameters<typeof write>) => {
      writes.push((args[0] as Uint8Array).byteLength);
      return write(...args);
    }) as typeof stream.write;
  });
  const adaptor = makeAdaptor(
    makeFairPool(pool, { size: 1, waitMs: 60_000, maxWaiting: 10 }),
    { statementTimeoutMs: 60_000, maxResultBytes: 1e6, maxQueryBytes: 1e6, prepare: true },
  );
  const hash = createHash("sha256").update(betaKey).digest("hex");
  const caller = {
    role: "curestry_member",
    jwtId: null,
    keyHash: hash,
    organization: null,
    requestId: "turns",
  } as const;
  async function run(inOneTurn: boolean): Promise<number> {
    const request = adaptor.openRequest(caller, "work");
    await request.readRights();
    writes.length = 0;
    request.begin("query", { inOneTurn });
    const read = () =>
      request.withPgClient(null, (client) => client.query({ text: "select ops.test_context()" }));
    const answers = await Promise.all([read(), read()]);
    expect(answers.map(({ rows }) => rows)).toEqual(
      Array(2).fill([{ test_context: `curestry_member ${beta.id} repeatable read on` }]),
    );
    expect(request.turnCount).toBe(1);
    if (inOneTurn) {
      await expect(read()).rejects.toThrow();
      expect(request.turnCount).toBe(2);
    } else await read();
    await request.verify();
    request.finish();
    return writes.length;
  }
  await run(false);
  expect(await run(true)).toBe(1);
  expect(await run(false)).toBeGreaterThan(1);
  await pool.end();
});

describe("a key that was accepted a moment ago, and then revoked", () => {
  test.each([
    ["a query", "{ prompts { nodes { id } } }"],
    ["a query of nothing", "{ __typename }"],
    ["what is no operation", "{ nothing }"],
    [
      "a mutation",
      'mutation { createPrompt(input: { prompt: { name: "late", content: "c" } }) { prompt { id } } }',
    ],
    [
      "a mutation of two",
      `mutation {
      a: createPrompt(input: { prompt: { name: "late", content: "c" } }) { prompt { id } }
      b: createPrompt(input: { prompt: { name: "late", content: "c" } }) { prompt { id } } }`,
    ],
  ])("is refused: %s", async (_what, query) => {
    const key = await makeKey(database, acme, ["prompts:read", "prompts:write"]);
    for (let n = 0; n < 2; n++) {
      expect((await graphql(gateway.url, { key, query: "{ __typename }" })).status).toBe(200);
    }
    const hash = createHash("sha256").update(key).digest("hex");
    await database.query(
      "update ops.api_key set is_revoked = true, revoked_at = now() where key_hash = $1",
      [hash],
    );
    for (let n = 0; n < 2; n++) {
      const answer = await graphql(gateway.url, { key, query });
      expect(answer).toMatchObject({
        status: 401,
        errors: [{ extensions: { code: "UNAUTHENTICATED" } }],
      });
      expect(answer.data).toBeUndefined();
    }
    expect(await database.query("select from core.prompts where name = 'late'")).toEqual([]);
  });
});

test("nothing of a request is left for the next one on its connection", async () => {
  const expected = {
    [acmeKey]: `curestry_member ${acme.id}`,
    [betaKey]: `curestry_member ${beta.id}`,
    "": "curestry_anonymous ",
  };
  await Promise.all(Array.from({ length: 9 }, async (_, client) => {
    for (let n = 0; n < 60; n++) {
      const key = [acmeKey, betaKey, ""][(client + n) % 3] ?? "";
      const credential = key === "" ? {} : { key };
      if (n % 5 === 4) {
        const { errors } = await graphql(gateway.url, {
          ...credential,
          query: `{ testFail(code: "XX000") testContext }`,
        });
        expect(errors?.[0]?.extensions?.code).toBe("INTERNAL");
      }
      const { status, data } = await graphql<{ testContext: string }>(gateway.url, {
        ...credential,
        query: "{ testContext }",
      });
      expect(status).toBe(200);
      expect(data?.testContext.startsWith(expected[key] ?? "?")).toBe(true);
    }
  }));
});

test("each field of a mutation commits on its own, and what failed is not there", async () => {
  const create = (name: string) =>
    `createJudgeRubric(input: { judgeRubric: { name: "${name}" } }) { judgeRubric { name organization { slug } } }`;
  const { data, errors } = await graphql(gateway.url, {
    key: acmeKey,
    query: `mutation { a: ${create("one")} b: ${create("")} c: ${create("two")} }`,
  });
  expect(data).toEqual({
    a: { judgeRubric: { name: "one", organization: { slug: acme.slug } } },
    b: null,
    c: { judgeRubric: { name: "two", organization: { slug: acme.slug } } },
  });
  expect(errors).toMatchObject([{ path: ["b"], extensions: { code: "INVALID" } }]);
  expect(await database.query("select name from ops.judge_rubric order by name"))
    .toEqual([{ name: "one" }, { name: "two" }]);
});

test("a commit that fails is an error, and the connection goes on", async () => {
  const { data, errors } = await graphql(gateway.url, {
    key: acmeKey,
    query:
      `mutation { createTestDeferred(input: { testDeferred: { id: 1, other: 2 } }) { testDeferred { id } } }`,
  });
  expect(data).toEqual({ createTestDeferred: null });
  expect(errors).toMatchObject([{
    extensions: { code: "CONFLICT", constraint: "fk_test_deferred_other" },
  }]);
  expect(await database.query("select from ops.test_deferred")).toEqual([]);
  expect((await graphql(gateway.url, { query: "{ testContext }", key: acmeKey })).status).toBe(200);
});

test("fields that fail leave the query's other fields their answers", async () => {
  const fail = (name: string, code: string) => `${name}: testFail(code: "${code}")`;
  for (let n = 0; n < 2; n++) {
    const { status, data, errors } = await graphql<Record<string, unknown>>(gateway.url, {
      key: acmeKey,
      query: `{ before: prompts { totalCount } ${fail("a", "CU004")} viewer { organizationId }
        ${fail("b", "CU003")} ${fail("c", "CU006")} after: prompts { totalCount } }`,
    });
    expect(status).toBe(200);
    expect(errors?.map(({ path, extensions }) => `${path} ${extensions?.code}`).toSorted())
      .toEqual(["a INVALID", "b NOT_FOUND", "c LIMIT"]);
    expect(Object.keys(data ?? {})).toEqual(["before", "a", "viewer", "b", "c", "after"]);
    expect(data).toMatchObject({
      before: { totalCount: expect.any(Number) },
      a: null,
      viewer: { organizationId: acme.id },
      b: null,
      c: null,
      after: data?.["before"],
    });
  }
});

test("with many that fail, those beside them say why they have no answer", async () => {
  const fields = ["a", "b", "c", "d", "e"].map((name) => `${name}: testFail(code: "CU004")`);
  const { status, data, errors } = await graphql(gateway.url, {
    key: acmeKey,
    query: `{ ${fields.join(" ")} prompts { totalCount } }`,
  });
  expect(status).toBe(200);
  expect(data).toMatchObject({ a: null, b: null, c: null, d: null, e: null });
  expect(new Set(errors?.map((error) => `${error.extensions?.code} ${error.message}`)))
    .toEqual(new Set(["INVALID told"]));
});

test("who cannot get a connection in time is told to come back, and nobody hangs", async () => {
  const hasty = await startGateway(database, { poolSize: 3, poolWaitMs: 500 });
  const release = await holdLock(database);
  try {
    const ask = () => graphql(hasty.url, { query: "{ testWait }", key: acmeKey });
    const holders = Array.from({ length: 3 }, ask);
    await untilBlocked(database, 3);
    // Nobody gives a connection back before these have their answer
    for (const { status, headers, errors } of await Promise.all(Array.from({ length: 6 }, ask))) {
      expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
      expect(errors?.[0]?.extensions?.code).toBe("UNAVAILABLE");
    }
    await release();
    for (const { data } of await Promise.all(holders)) expect(data).toEqual({ testWait: true });
  } finally {
    await release();
    await hasty.stop();
  }
});

describe("a statement that takes too long", () => {
  const strict = withGateway(database, { poolSize: 1, statementTimeoutMs: 500 });

  test.each([["{ testWait }"], ["mutation { testWork(input: {}) { result } }"]])(
    "is stopped: %s",
    async (document) => {
      const release = await holdLock(database);
      try {
        // It would wait for ever
        const { status, headers, errors } = await graphql(strict.url, {
          query: document,
          key: acmeKey,
        });
        expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
        expect(errors?.[0]?.extensions?.code).toBe("UNAVAILABLE");
        await untilBlocked(database, 0);
      } finally {
        await release();
      }
    },
  );
});

test.each([["{ testWait }"], ["mutation { testWork(input: {}) { result } }"]])(
  "a connection that breaks under way is an honest 503, and the next request works: %s",
  async (document) => {
    const release = await holdLock(database);
    try {
      const answer = graphql(gateway.url, { query: document, key: acmeKey });
      await untilBlocked(database);
      expect(await killConnections()).toBeGreaterThan(0);
      const { status, errors } = await answer;
      expect([status, errors?.[0]?.extensions?.code]).toEqual([503, "UNAVAILABLE"]);
    } finally {
      await release();
    }
    expect((await graphql(gateway.url, { query: "{ testContext }", key: acmeKey })).status).toBe(
      200,
    );
  },
);

test("while connections break all the time, answers are right or say that they are not", async () => {
  let running = true;
  const counts = { right: 0, unavailable: 0, killed: 0 };
  const killer = (async () => {
    while (running) {
      // Not so often that a slow machine gives no right answer in between
      const { right } = counts;
      await eventually(() => expect(!running || counts.right > right).toBe(true));
      await sleep(60);
      counts.killed += await killConnections();
    }
  })();
  await Promise.all(Array.from({ length: 3 }, async (_, client) => {
    for (let n = 0; n < 40; n++) {
      const { data, errors } = client === 0
        ? await graphql(gateway.url, {
          key: acmeKey,
          query: `mutation { createPrompt(input: { prompt: { name: "kill ${n}", content: "c" } }) {
                    prompt { name organization { slug } } } }`,
        })
        : await graphql(gateway.url, {
          key: acmeKey,
          query: "{ testContext prompts { totalCount } }",
        });
      if (errors === undefined) {
        counts.right++;
        expect(JSON.stringify(data)).not.toContain("null");
      } else {
        counts.unavailable++;
        expect(new Set(errors.map((error) => error.extensions?.code)))
          .toEqual(new Set(["UNAVAILABLE"]));
      }
    }
  }));
  running = false;
  await killer;
  expect(counts.right).toBeGreaterThan(0);
  expect(counts.killed).toBeGreaterThan(0);
  expect(await graphqlData(gateway.url, { query: "{ testContext }", key: betaKey }))
    .toEqual({ testContext: `curestry_member ${beta.id} repeatable read on` });
});

test("without prepared statements, for a pooler in transaction mode, none is left on a connection", async () => {
  const plain = await startGateway(database, { preparedStatements: false, poolSize: 1 });
  try {
    await database.query(`
      create function ops.test_prepared() returns bigint language sql stable security definer
        as 'select count(*) from pg_prepared_statements';
      grant execute on function ops.test_prepared to curestry_member`);
    for (let n = 0; n < 3; n++) {
      await graphqlData(plain.url, {
        query: "{ prompts { totalCount nodes { id } } }",
        key: acmeKey,
      });
    }
  } finally {
    await plain.stop();
  }
  const counting = await startGateway(database, { preparedStatements: false, poolSize: 1 });
  try {
    await graphqlData(counting.url, {
      query: "{ prompts { totalCount nodes { id } } }",
      key: acmeKey,
    });
    expect(await graphqlData(counting.url, { query: "{ testPrepared }", key: acmeKey }))
      .toEqual({ testPrepared: "0" });
  } finally {
    await counting.stop();
  }
});

test("the gateway's own login, before it takes a role, can read nothing", async () => {
  for (const table of ["core.prompts", "ops.api_key", "core.sessions", "core.users"]) {
    await expect(query(database.gatewayUrl, `select from ${table}`)).rejects
      .toMatchObject({ code: "42501" });
  }
});
