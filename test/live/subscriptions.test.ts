import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { withClient } from "../../src/database/open_client.ts";
import {
  createPrompt,
  MARTS,
  PROMPTS,
  recordRun,
  RUNS,
  transports,
  withSubscribers,
} from "../helpers/live.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";
import { signIn } from "../helpers/token.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

const ALL = ["prompts:read", "prompts:write", "analyses:read", "analyses:write", "marts:read"];
let ours: TestOrganization;
let key = "";
const subscribe = withSubscribers(gateway, () => key);

beforeAll(async () => {
  ours = await makeOrganization(database);
  key = await makeKey(database, ours, ALL);
});

describe.each(transports)("by %s", (transport) => {
  test("each change of a prompt is told, with the prompt as it is", async () => {
    const subscriber = subscribe(transport, { query: PROMPTS });
    await subscriber.ready();
    const promptId = await createPrompt(gateway.url, key, "first");
    await eventually(() =>
      expect(subscriber.changes).toMatchObject([
        { kind: "INSERTED", promptId, prompt: { id: promptId, name: "first" } },
      ])
    );
    await graphqlData(gateway.url, {
      key,
      query: `mutation ($id: String!) {
        updatePrompt(input: { id: $id, patch: { name: "second" } }) { clientMutationId }
      }`,
      variables: { id: promptId },
    });
    await eventually(() => expect(subscriber.changes).toHaveLength(2));
    await graphqlData(gateway.url, {
      key,
      query: "mutation ($id: String!) { deletePrompt(input: { id: $id }) { clientMutationId } }",
      variables: { id: promptId },
    });
    await eventually(() => expect(subscriber.changes).toHaveLength(3));
    expect(subscriber.changes).toMatchObject([
      { kind: "INSERTED" },
      { kind: "UPDATED", promptId, prompt: { name: "second" } },
      { kind: "DELETED", promptId, prompt: null },
    ]);
    expect(subscriber.errors).toEqual([]);
  });

  test("each change of a run is told; filters choose by prompt and by status, before or after", async () => {
    const promptId = await createPrompt(gateway.url, key, "with runs");
    const all = subscribe(transport, { query: RUNS });
    const ofPrompt = subscribe(transport, { query: RUNS, variables: { promptId } });
    const running = subscribe(transport, { query: RUNS, variables: { status: ["running"] } });
    for (const subscriber of [all, ofPrompt, running]) await subscriber.ready();
    const [{ id }] = await database.query<{ id: string }>(
      `insert into ops.analysis_run (organization_id, prompt_id, status, started_at)
       values ($1, $2, 'running', '2026-01-01Z') returning id`,
      [ours.id, promptId],
    ) as [{ id: string }];
    await database.query(
      "update ops.analysis_run set status = 'succeeded', finished_at = '2026-01-02Z' where id = $1",
      [id],
    );
    await database.query(`update ops.analysis_run set meta = '{"a": 1}' where id = $1`, [id]);
    const other = await recordRun(database, ours);
    await eventually(() => expect(all.changes).toHaveLength(4));
    expect(all.changes).toMatchObject([
      { kind: "INSERTED", analysisRunId: id },
      { kind: "UPDATED", analysisRunId: id },
      { kind: "UPDATED", analysisRunId: id, analysisRun: { id, status: "succeeded" } },
      { kind: "INSERTED", analysisRunId: other },
    ]);
    await eventually(() => expect(ofPrompt.changes).toHaveLength(3));
    await eventually(() => expect(running.changes).toHaveLength(2));
    expect(ofPrompt.changes.map(({ analysisRunId }) => analysisRunId)).toEqual([id, id, id]);
    // When it left the status, and not afterwards
    expect(running.changes.map(({ kind }) => kind)).toEqual(["INSERTED", "UPDATED"]);
  });

  test("the marts' updates are told, with what they are about", async () => {
    const subscriber = subscribe(transport, { query: MARTS });
    await subscriber.ready();
    await recordRun(database, ours);
    await database.query("select app.mart_refresh_all()");
    await eventually(() =>
      expect(subscriber.changes.find(({ source }) => source === "analysis")).toMatchObject({
        kind: "UPDATED",
        marts: ["analysis_hourly", "analysis_daily", "analysis_daily_by"],
        from: expect.stringMatching(/:00:00/),
        to: expect.stringMatching(/:00:00/),
      })
    );
  });

  test("another organization is told nothing of it, though it is told of its own", async () => {
    const theirs = await makeOrganization(database);
    const theirKey = await makeKey(database, theirs, ALL);
    const own = subscribe(transport, { query: PROMPTS });
    const other = subscribe(transport, { query: PROMPTS, key: theirKey });
    await own.ready();
    await other.ready();
    const ourPrompt = await createPrompt(gateway.url, key, "ours");
    const theirPrompt = await createPrompt(gateway.url, theirKey, "theirs");
    await eventually(() => expect(other.changes).toHaveLength(1));
    await eventually(() => expect(own.changes).toHaveLength(1));
    expect(own.changes).toMatchObject([{ promptId: ourPrompt }]);
    expect(other.changes).toMatchObject([{ promptId: theirPrompt }]);
  });

  test("what commits is told at once, whatever else goes on, and a late commit is told, too", async () => {
    const subscriber = subscribe(transport, { query: PROMPTS });
    await subscriber.ready();
    const insert =
      "insert into core.prompts (organization_id, name, content) values ($1, $2, 'a') returning id";
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      const { rows: [late] } = await client.query(insert, [ours.id, "late"]);
      const [early] = await database.query<{ id: string }>(insert, [ours.id, "early"]);
      await eventually(() => expect(subscriber.changes).toMatchObject([{ promptId: early!.id }]));
      await client.query("commit");
      await eventually(() =>
        expect(subscriber.changes).toMatchObject([{ promptId: early!.id }, { promptId: late.id }])
      );
    });
  });

  test("what is rolled back is never told", async () => {
    const subscriber = subscribe(transport, { query: PROMPTS });
    await subscriber.ready();
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'gone', 'a')",
        [ours.id],
      );
      await client.query("rollback");
    });
    const promptId = await createPrompt(gateway.url, key, "there");
    await eventually(() => expect(subscriber.changes).toMatchObject([{ promptId }]));
  });

  test("of two changes of one row in transactions that cross, the first is told first", async () => {
    const promptId = await createPrompt(gateway.url, key, "0");
    const subscriber = subscribe(transport, { query: PROMPTS });
    await subscriber.ready();
    const cursor = subscriber.events[0]!.cursor;
    const rename = "update core.prompts set name = $2 where id = $1";
    await withClient(database.adminUrl, async (older) => {
      await older.query("begin");
      // It has its number before the other one, and changes the row after it
      await older.query("select pg_current_xact_id()");
      await database.query(rename, [promptId, "1"]);
      await older.query(rename, [promptId, "2"]);
      await older.query("delete from core.prompts where id = $1", [promptId]);
      await older.query("commit");
    });
    // As one answer
    const resumed = subscribe(transport, { query: PROMPTS, variables: { after: cursor } });
    for (const one of [subscriber, resumed]) {
      await eventually(() => expect(one.changes).toHaveLength(3));
      expect(one.changes.map(({ kind }) => kind)).toEqual(["UPDATED", "UPDATED", "DELETED"]);
    }
  });

  test("what is below the rows is read with the subscriber's rights", async () => {
    const poor = await makeKey(database, ours, ["analyses:read"]);
    const query = `subscription {
      analysisRunChanged { cursor kind analysisRun { id prompt { name } } }
    }`;
    const rich = subscribe(transport, { query });
    const subscriber = subscribe(transport, { query, key: poor });
    await rich.ready();
    await subscriber.ready();
    const promptId = await createPrompt(gateway.url, key, "secret");
    const id = await recordRun(database, ours, promptId);
    await eventually(() => expect(rich.changes).toHaveLength(1));
    expect(rich.changes).toMatchObject([{ analysisRun: { id, prompt: { name: "secret" } } }]);
    await eventually(() => expect(subscriber.changes).toHaveLength(1));
    expect(subscriber.changes).toMatchObject([{ analysisRun: { id, prompt: null } }]);
    expect(subscriber.errors).toMatchObject([{
      path: ["analysisRunChanged", "analysisRun", "prompt"],
      extensions: { code: "FORBIDDEN" },
    }]);
  });

  test.each([
    ["promptChanged", PROMPTS, "prompts:read"],
    ["analysisRunChanged", RUNS, "analyses:read"],
    ["martsUpdated", MARTS, "marts:read"],
  ])("%s needs its permission", async (_name, query, permission) => {
    const poor = await makeKey(database, ours, ALL.filter((scope) => scope !== permission));
    const subscriber = subscribe(transport, { query, key: poor });
    await eventually(() =>
      expect(subscriber.errors).toMatchObject([{
        message: expect.stringContaining(permission),
        extensions: { code: "FORBIDDEN" },
      }])
    );
    expect(subscriber.events).toEqual([]);
    const allowed = subscribe(transport, { query });
    await allowed.ready();
  });

  test("a member subscribes to the organization that the request names, until the role allows it no more", async () => {
    const owner = await signIn(database, ours.ownerEmail);
    const person = await signIn(database, (await makeOrganization(database)).ownerEmail);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'viewer')",
      [ours.id, person.userId],
    );
    const request = { query: PROMPTS, key: undefined, organization: ours.slug };
    const staying = subscribe(transport, { ...request, token: owner.token });
    const leaving = subscribe(transport, { ...request, token: person.token });
    await staying.ready();
    await leaving.ready();
    await createPrompt(gateway.url, key, "for members");
    await eventually(() => expect(leaving.changes).toHaveLength(1));
    await database.query(
      "update ops.organization_user set status = 'removed' where user_id = $1 and organization_id = $2",
      [
        person.userId,
        ours.id,
      ],
    );
    await eventually(() =>
      expect(leaving.errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }])
    );
    await createPrompt(gateway.url, key, "not for all");
    await eventually(() => expect(staying.changes).toHaveLength(2));
    expect(leaving.changes).toHaveLength(1);
  });

  test("a revoked key ends a subscription, also when nothing changes", async () => {
    const revoked = await makeKey(database, ours, ALL);
    const subscriber = subscribe(transport, { query: PROMPTS, key: revoked });
    const staying = subscribe(transport, { query: PROMPTS });
    await subscriber.ready();
    await staying.ready();
    await database.query(
      "update ops.api_key set is_revoked = true, revoked_at = now() where key_hash = encode(sha256($1::text::bytea), 'hex')",
      [revoked],
    );
    await eventually(() =>
      expect(subscriber.errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }])
    );
    await eventually(() => expect(subscriber.isOver).toBe(true));
    if (transport === "websocket") {
      await eventually(() => expect(subscriber.closed?.code).toBe(4403));
    }
    expect(subscriber.changes).toEqual([]);
    await createPrompt(gateway.url, key, "after it");
    await eventually(() => expect(staying.changes).toHaveLength(1));
    expect(subscriber.changes).toEqual([]);
  });

  test("a change after the revocation is not told, however soon it comes", async () => {
    const revoked = await makeKey(database, ours, ALL);
    const subscriber = subscribe(transport, { query: PROMPTS, key: revoked });
    await subscriber.ready();
    await database.query(
      `with revoked as (
         update ops.api_key set is_revoked = true, revoked_at = now()
          where key_hash = encode(sha256($1::text::bytea), 'hex')
       )
       insert into core.prompts (organization_id, name, content) values ($2, 'too late', 'a')`,
      [revoked, ours.id],
    );
    await eventually(() => expect(subscriber.isOver).toBe(true));
    expect(subscriber.changes).toEqual([]);
  });

  test("a session that has expired ends a subscription", async () => {
    const person = await signIn(database, ours.ownerEmail);
    const subscriber = subscribe(transport, {
      query: PROMPTS,
      key: undefined,
      token: person.token,
      organization: ours.slug,
    });
    await subscriber.ready();
    await database.query(
      `update core.sessions set created_at = '2020-01-01Z', expires_at = '2020-01-02Z'
        where user_id = $1 and revoked_at is null`,
      [person.userId],
    );
    await eventually(() =>
      expect(subscriber.errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }])
    );
  });

  test("a subscription that is not valid is refused with the reason", async () => {
    for (
      const [query, message] of [
        ["subscription { promptChanged { cursor nonsense } }", /nonsense/],
        ["subscription { promptChanged { cursor } martsUpdated { cursor } }", /only one/],
        ["subscription ($n: Boolean!) { promptChanged @skip(if: $n) { cursor } }", /"\$n"|field/],
        ['subscription { promptChanged(after: "nonsense") { cursor } }', /cursor/],
      ] as const
    ) {
      const subscriber = subscribe(transport, { query });
      await eventually(() =>
        expect(subscriber.errors).toMatchObject([{
          message: expect.stringMatching(message),
          extensions: { code: "INVALID" },
        }])
      );
      await eventually(() => expect(subscriber.isOver).toBe(true));
    }
  });

  test("queries and mutations are answered, too", async () => {
    const promptId = await createPrompt(gateway.url, key, "asked for");
    const query = "query ($id: String!) { prompt(id: $id) { name } }";
    const subscriber = subscribe(transport, { query, variables: { id: promptId } });
    await eventually(() => expect(subscriber.isOver).toBe(true));
    expect(subscriber.events).toEqual([{ name: "asked for" }]);
    const mutation = subscribe(transport, {
      query: `mutation { createPrompt(input: { prompt: { name: "made so", content: "a" } }) {
        prompt { name }
      } }`,
    });
    await eventually(() => expect(mutation.isOver).toBe(true));
    expect(mutation.events).toEqual([{ prompt: { name: "made so" } }]);
    const bad = subscribe(transport, { query: "{ nonsense }" });
    await eventually(() => expect(bad.errors).toMatchObject([{ extensions: { code: "INVALID" } }]));
    expect(bad.events).toEqual([]);
  });
});

test("the headers of a websocket's request say who it is, too", async () => {
  const subscriber = subscribe("websocket", { query: PROMPTS, asHeaders: true });
  await subscriber.ready();
  const promptId = await createPrompt(gateway.url, key, "by headers");
  await eventually(() => expect(subscriber.changes).toMatchObject([{ promptId }]));
});

test("who joins others while they wait for an event is not told of it", async () => {
  const query = `subscription {
    analysisRunChanged { cursor kind analysisRunId analysisRun { judgeScores { nodes { id } } } }
  }`;
  const first = subscribe("websocket", { query });
  await first.ready();
  const early = await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("lock table ops.judge_score in access exclusive mode");
    const id = await recordRun(database, ours);
    await untilBlocked(database);
    const second = subscribe("websocket", { query });
    // It has joined, and READY waits
    await untilBlocked(database, 2);
    await client.query("commit");
    return { id, second };
  });
  await eventually(() => expect(first.changes).toMatchObject([{ analysisRunId: early.id }]));
  const late = await recordRun(database, ours);
  await eventually(() => expect(first.changes).toHaveLength(2));
  await eventually(() => expect(early.second.changes).toHaveLength(1));
  expect(early.second.changes).toMatchObject([{ analysisRunId: late }]);
});

test("a subscription by an ordinary POST is told the ways", async () => {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query: PROMPTS }),
  });
  const { errors: [error] } = await response.json();
  expect(error.extensions.code).toBe("INVALID");
  expect(error.message).toContain("text/event-stream");
});

test("/metrics counts subscriptions and what they were told", async () => {
  const read = async (name: string) => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
  };
  await eventually(async () => expect(await read("curestry_live_subscriptions")).toBe(0));
  const sent = await read("curestry_live_events_total");
  const subscriber = subscribe("events", { query: PROMPTS });
  await subscriber.ready();
  expect(await read("curestry_live_subscriptions")).toBe(1);
  expect(await read("curestry_live_events_total")).toBeGreaterThan(sent);
  expect(await read("curestry_live_lag_seconds")).toBeLessThan(60);
  subscriber.stop();
  await eventually(async () => expect(await read("curestry_live_subscriptions")).toBe(0));
});
