import fc from "fast-check";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "graphql-ws";
import { beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData, type GraphqlError } from "../helpers/graphql.ts";
import { PROMPTS, withSubscribers } from "../helpers/live.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/**
 * Text comes back as it went in, or is refused with a code and a field: by every door that writes, and by every door
 * that reads. Files have tests of their own (test/files/round_trip.test.ts).
 */

const database = withTestDatabase();
const gateway = withGateway(database);
let ours: TestOrganization;
let key = "";
let analyst = "";
const subscribe = withSubscribers(gateway, () => key);

beforeAll(async () => {
  ours = await makeOrganization(database);
  key = await makeKey(
    database,
    ours,
    ["prompts", "analyses", "features"].flatMap((what) => [`${what}:write`])
      .concat("prompts:read", "analyses:read", "audit:read"),
  );
  analyst = await makeAnalyst(database, [ours]);
});

/** What some part of a system may take for something else, or change. */
const special = [
  ...["\u0000", "\ud800", "\udc00", "\udfff\ud800", "\uffff", "\ufdd0", "\u{10ffff}"],
  ...["\ufeff", "\ufffd", "é", "e\u0301", "ﬁ", "Å", "\u1100\u1161", "\u0344"],
  ...["\u202e", "\u2066", "\u200b", "\u200d", "\u00ad", "\u2028", "\u2029", "\u0085"],
  ...["\r\n", "\r", "\n", "\t", "\u0001", "\u001b[0m", "\u007f", "\u000b", "\u00a0"],
  ...["\\u0000", "\\ud800", "\\", "\\n", "\\x00", "%00", "&#0;", '"', '"""', "'", "''", "$$", "$1"],
  ...["{", "}", "[", "]", "{}", "null", "NULL", "true", "NaN", "1e400", "-0", "007", "1.0"],
  ...["12345678901234567890", "2026-01-01", "infinity", "=1+1", "--", "/*", ";", "%s", "{0}"],
  ...["__proto__", "constructor", "<b>", "😀", "👩‍👩‍👧", "x".repeat(15_000), " ", "\u3000", "a"],
];
const text = fc.oneof(
  fc.array(fc.constantFrom(...special), { maxLength: 4 }).map((parts) => parts.join("")),
  fc.array(fc.constantFrom(...special.slice(7)), { maxLength: 4 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({ unit: "grapheme", maxLength: 30 }),
);
const texts = fc.array(text, { minLength: 8, maxLength: 16 });

const isStorable = (value: string) => value.isWellFormed() && !value.includes("\0");

/** What a door says of a text. */
type Answer = { id: string; error?: undefined } | { id?: undefined; error: GraphqlError };

/** A prompt with a text everywhere where it may be. */
function promptOf(value: string) {
  return {
    name: [...value].slice(0, 200).join("") + ".",
    content: `${value}.`,
    description: value,
    extraMetadata: { text: value, list: [value], [value]: "key" },
  };
}

const CREATE = `mutation ($prompt: PromptInput!) {
  createPrompt(input: { prompt: $prompt }) { prompt { id } } }`;

function answerOf(
  { data, errors }: {
    data?: Record<string, unknown> | null | undefined;
    errors?: GraphqlError[] | undefined;
  },
): Answer {
  if (errors?.[0]) return { error: errors[0] };
  return { id: (data?.["createPrompt"] as { prompt: { id: string } }).prompt.id };
}

/** A string in a GraphQL document; a lone half of a pair as an escape. */
const literal = (value: string) => JSON.stringify(value);

/** One operation by websocket. */
async function bySocket(
  query: string,
  variables: Record<string, unknown>,
): Promise<{ data?: Record<string, unknown> | null; errors?: GraphqlError[] }> {
  const client = createClient({
    url: `${gateway.url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
  });
  try {
    return await new Promise((resolve, reject) => {
      client.subscribe({ query, variables }, {
        next: (result) => resolve(result as never),
        error: (error) => Array.isArray(error) ? resolve({ errors: error }) : reject(error),
        complete: () => {},
      });
    });
  } finally {
    await client.dispose();
  }
}

const doors: Record<string, (value: string) => Promise<Answer>> = {
  "variables": async (value) =>
    answerOf(
      await graphql(gateway.url, { key, query: CREATE, variables: { prompt: promptOf(value) } }),
    ),
  "literals": async (value) => {
    const { name, content, description } = promptOf(value);
    // Keys of objects are names there
    const query = `mutation { createPrompt(input: { prompt: {
      name: ${literal(name)}, content: ${literal(content)}, description: ${literal(description)},
      extraMetadata: { text: ${literal(value)}, list: [${
      literal(value)
    }] } } }) { prompt { id } } }`;
    return answerOf(await graphql(gateway.url, { key, query }));
  },
  "a change": async (value) => {
    const { data } = await graphql<Record<string, { prompt: { id: string } }>>(gateway.url, {
      key,
      query: CREATE,
      variables: { prompt: promptOf("before") },
    });
    const { id } = data!["createPrompt"]!.prompt;
    const { errors } = await graphql(gateway.url, {
      key,
      query: `mutation ($id: String!, $patch: PromptPatch!) {
        updatePrompt(input: { id: $id, patch: $patch }) { clientMutationId } }`,
      variables: { id, patch: promptOf(value) },
    });
    return errors?.[0] ? { error: errors[0] } : { id };
  },
  "websocket": async (value) => answerOf(await bySocket(CREATE, { prompt: promptOf(value) })),
};

interface Stored {
  name: string;
  content: string;
  description: string;
  extra_metadata: Record<string, unknown>;
}

/** As an analyst reads it. */
async function readBySql(id: string): Promise<Stored | undefined> {
  const [row] = await query<Stored>(
    analyst,
    "select name, content, description, extra_metadata from core.prompts where id = $1",
    [id],
  );
  return row;
}

describe.each(Object.entries(doors))("written by %s", (door, write) => {
  test("a text is stored as it is, or refused with code and field", async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        for (const value of values) {
          const { id, error } = await write(value);
          expect([value, error === undefined]).toEqual([value, isStorable(value)]);
          if (id === undefined) {
            expect(error?.extensions?.code).toBe("INVALID");
            // The parser of documents knows no fields
            if (!(door === "literals" && !value.isWellFormed())) {
              expect(Object.keys(promptOf(""))).toContain(error?.extensions?.field);
            }
            continue;
          }
          const expected = promptOf(value);
          const stored = await readBySql(id);
          expect(stored).toMatchObject({
            name: expected.name,
            content: expected.content,
            description: expected.description,
          });
          const { text, list } = expected.extraMetadata;
          expect(stored?.extra_metadata).toEqual(
            door === "literals"
              ? { text, list }
              : JSON.parse(JSON.stringify(expected.extraMetadata)),
          );
        }
      }),
      { numRuns: 12 },
    );
  });
});

describe("written by recordAnalyses", () => {
  const RECORD = `mutation ($items: [AnalysisItemInput!]!) {
    recordAnalyses(input: { items: $items }) { result { outcome analysisRunId message } } }`;

  test("each item is stored as it is, or refused alone, with its field", async () => {
    await database.query(
      `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'quality') returning id)
       insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'c', 'C' from r`,
      [ours.id],
    );
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        const items = values.map((value, n) => ({
          promptContent: `${n} ${value}`,
          meta: { text: value, [value]: [value] },
          metrics: [{ key: `k${[...value].slice(0, 80).join("")}`, valueText: value }, {
            key: "json",
            valueJson: { [value]: value },
          }],
          nodeResults: [{ node: "n", status: "ok", details: { [value]: value } }],
          scores: [{
            rubric: "quality",
            criterion: "c",
            score: 1,
            comment: value,
            evidence: { value },
          }],
        }));
        const { recordAnalyses: { result } } = await graphqlData<
          {
            recordAnalyses: {
              result: { outcome: string; analysisRunId: string; message: string | null }[];
            };
          }
        >(gateway.url, { key, query: RECORD, variables: { items } });
        for (const [n, { outcome, analysisRunId, message }] of result.entries()) {
          const value = values[n]!;
          expect([value, outcome]).toEqual([value, isStorable(value) ? "inserted" : "invalid"]);
          if (outcome === "invalid") {
            expect(message).toMatch(/^(promptContent|meta|metrics|nodeResults|scores)/);
            continue;
          }
          const item = items[n]!;
          const [row] = await query<Record<string, unknown>>(
            analyst,
            `select r.prompt_content, r.meta,
                    (select jsonb_object_agg(m.key, coalesce(to_jsonb(m.value_text), m.value_json))
                       from ops.analysis_metric m where m.analysis_run_id = r.id) as metrics,
                    (select details from ops.analysis_node_result x where x.analysis_run_id = r.id) as details,
                    (select comment from ops.judge_score x where x.analysis_run_id = r.id) as comment,
                    (select evidence from ops.judge_score x where x.analysis_run_id = r.id) as evidence
               from ops.analysis_run r where r.id = $1`,
            [analysisRunId],
          );
          expect(row).toEqual(JSON.parse(JSON.stringify({
            prompt_content: item.promptContent,
            meta: item.meta,
            metrics: { [item.metrics[0]!.key]: value, json: { [value]: value } },
            details: { [value]: value },
            comment: value,
            evidence: { value },
          })));
        }
      }),
      { numRuns: 12 },
    );
  });
});

test("written by recordFeatureEvents, a text is stored as it is, or refused with code and field", async () => {
  await fc.assert(
    fc.asyncProperty(texts, async (values) => {
      for (const value of values) {
        const featureKey = `${[...value].slice(0, 90).join("")}.`;
        const { data, errors } = await graphql(gateway.url, {
          key,
          query: `mutation ($events: [FeatureEventItemInput!]!) {
            recordFeatureEvents(input: { events: $events }) { result } }`,
          variables: { events: [{ featureKey }] },
        });
        const rows = await query(
          analyst,
          "select from ops.feature_event where feature_key = $1",
          [isStorable(featureKey) ? featureKey : ""],
        );
        expect([featureKey, rows.length > 0]).toEqual([featureKey, isStorable(featureKey)]);
        expect(errors?.[0]?.extensions).toEqual(
          data ? undefined : { code: "INVALID", field: "featureKey" },
        );
      }
    }),
    { numRuns: 8 },
  );
});

test("written by files on the command line, a text is stored as it is, or its line is refused", async () => {
  const values = [
    ...special,
    ...fc.sample(text.filter((value) => value.length < 1_000), { seed: 7, numRuns: 200 }),
  ];
  const lines = values.map((value, n) =>
    JSON.stringify({ ...promptOf(value), name: `line ${n + 1}`, more: value })
  );
  const { refused } = await cliJson<{ refused: { line: number; reason: string }[] }>(
    ["import", "prompts", "-", "--organization", ours.slug],
    { env: database.env, stdin: lines.join("\n") },
  );
  expect(refused.map(({ line }) => line)).toEqual(
    values.flatMap((value, n) => isStorable(value) ? [] : [n + 1]),
  );
  for (const { reason } of refused) expect(reason).toMatch(/NUL|surrogate/);
  const rows = await query<Stored>(
    analyst,
    "select name, content, description, extra_metadata from core.prompts where name like 'line %'",
  );
  const stored = new Map(rows.map((row) => [row.name, row]));
  for (const [n, value] of values.entries()) {
    if (!isStorable(value)) continue;
    const { content, description, extraMetadata } = promptOf(value);
    expect(stored.get(`line ${n + 1}`)).toEqual({
      name: `line ${n + 1}`,
      content,
      description,
      extra_metadata: JSON.parse(JSON.stringify({ more: value, ...extraMetadata })),
    });
  }
});

describe("what is stored comes back as it is", () => {
  /** By id: what was stored by variables. */
  const stored = new Map<string, string>();
  const FIELDS = "id name content description extraMetadata";
  interface Prompt {
    id: string;
    name: string;
    content: string;
    description: string;
    extraMetadata: Record<string, unknown>;
  }

  beforeAll(async () => {
    const values = [
      ...special,
      ...fc.sample(text, { seed: 11, numRuns: 100 }),
    ].filter(isStorable);
    for (const [n, value] of values.entries()) {
      const { createPrompt } = await graphqlData<{ createPrompt: { prompt: { id: string } } }>(
        gateway.url,
        {
          key,
          query: CREATE,
          variables: { prompt: { ...promptOf(value), content: `zebra${n} ${value}` } },
        },
      );
      stored.set(createPrompt.prompt.id, value);
    }
  });

  /** What a prompt with this text looks like. */
  function expected(id: string, n: number): Prompt {
    const value = stored.get(id)!;
    return JSON.parse(JSON.stringify({ id, ...promptOf(value), content: `zebra${n} ${value}` }));
  }
  const ids = () => [...stored.keys()];

  test("by POST, by GET and by websocket, found by the text itself", async () => {
    const document = `query ($id: String!, $text: String!) {
      prompt(id: $id) { ${FIELDS} }
      prompts(first: 50, filter: { name: { equalTo: $text }, id: { equalTo: $id } }) {
        nodes { id name } } }`;
    for (const [n, id] of ids().entries()) {
      const prompt = expected(id, n);
      const { name } = prompt;
      const variables = { id, text: name };
      const wanted = { prompt, prompts: { nodes: [{ id, name }] } };
      expect(await graphqlData(gateway.url, { key, query: document, variables })).toEqual(wanted);
      expect(await bySocket(document, variables)).toEqual({ data: wanted });
      const parameters = new URLSearchParams({
        query: document,
        variables: JSON.stringify(variables),
      });
      const response = await fetch(`${gateway.url}/graphql?${parameters}`, {
        headers: { authorization: `Bearer ${key}` },
      });
      expect(await response.json()).toEqual({ data: wanted });
    }
  });

  test("by search, from versions, history and the past", async () => {
    for (const [n, id] of ids().entries()) {
      const wanted = expected(id, n);
      const found = await graphqlData<Record<string, never>>(gateway.url, {
        key,
        query: `query ($query: String!, $id: String!, $at: Datetime!) {
          searchPrompts(query: $query) { nodes { prompt { ${FIELDS} } } }
          prompt(id: $id) { promptVersions(first: 2) { nodes { content } } }
          entityHistory(type: "Prompt", id: $id, first: 2) { nodes { changes { column after } } }
          entityAsOf(type: "Prompt", id: $id, at: $at) }`,
        variables: { query: `zebra${n}`, id, at: "2099-01-01T00:00:00Z" },
      });
      expect(found).toMatchObject({
        searchPrompts: { nodes: [{ prompt: wanted }] },
        prompt: { promptVersions: { nodes: [{ content: wanted.content }] } },
        entityAsOf: {
          name: wanted.name,
          content: wanted.content,
          description: wanted.description,
          extra_metadata: wanted.extraMetadata,
        },
      });
    }
  });

  test("by the export of the organization", async () => {
    const folder = await mkdtemp(join(tmpdir(), "curestry-texts-"));
    try {
      const output = join(folder, "archive.jsonl");
      await cliJson(["export", "organization", ours.slug, "--output", output], {
        env: database.env,
      });
      const rows = new Map(
        (await readFile(output, "utf8")).split("\n").filter((line) =>
          line.includes('"core.prompts"')
        )
          .map((line) => JSON.parse(line)).filter(({ table }) => table === "core.prompts")
          .map(({ row }) => [row.id, row]),
      );
      for (const [n, id] of ids().entries()) {
        const { extraMetadata, ...rest } = expected(id, n);
        expect(rows.get(id)).toMatchObject({ ...rest, extra_metadata: extraMetadata });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test.each(["a\0b", "a\ud800"])(
  "a question with the text %j is refused, with code and field",
  async (text) => {
    const query = "query ($id: String!) { prompt(id: $id) { id } }";
    const parameters = new URLSearchParams({ query, variables: JSON.stringify({ id: text }) });
    const byGet = await fetch(`${gateway.url}/graphql?${parameters}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const errors = [
      (await graphql(gateway.url, { key, query, variables: { id: text } })).errors?.[0],
      (await byGet.json()).errors[0] as GraphqlError,
      (await bySocket(query, { id: text })).errors?.[0],
    ];
    for (const error of errors) {
      expect(error?.extensions).toEqual({ code: "INVALID", field: "id" });
      expect(error?.message).toMatch(
        /^id: a text contains (the character NUL|half of a surrogate pair)/,
      );
    }
    const subscriber = subscribe("websocket", { query: PROMPTS, variables: { promptId: text } });
    await eventually(() => expect(subscriber.errors).toHaveLength(1));
    expect(subscriber.errors[0]?.extensions).toEqual({ code: "INVALID", field: "promptId" });
  },
);

test("events of subscriptions have the text as it is", async () => {
  const subscriber = subscribe("websocket", { query: PROMPTS });
  const events = subscribe("events", { query: PROMPTS });
  await Promise.all([subscriber.ready(), events.ready()]);
  const names = special.filter(isStorable).map((value) => promptOf(value).name);
  for (const name of names) {
    await graphqlData(gateway.url, {
      key,
      query: CREATE,
      variables: { prompt: { name, content: "c" } },
    });
  }
  for (const told of [subscriber, events]) {
    await eventually(() => expect(told.changes).toHaveLength(names.length));
    expect(told.changes.map(({ prompt }) => prompt.name)).toEqual(names);
  }
});

describe("numbers in JSON", () => {
  test.each([
    ["1e400", false],
    ["-1e400", false],
    ["1e-400", false],
    ["12345678901234567890", false],
    ["9007199254740993", false],
    ["0.1234567890123456789", false],
    ["9007199254740991", true],
    ["12345678901234500000", true],
    ["0.10000000000000001", true],
    ["1e300", true],
    ["-0", true],
    ['"1e400"', true],
    ['"12345678901234567890"', true],
  ])("%s comes back as it is, or is refused with code and field", async (source, isKept) => {
    // The text itself: JavaScript would write another number
    const variables =
      `{ "prompt": { "name": "n", "content": "c", "extraMetadata": { "n": ${source} } } }`;
    const query = JSON.stringify(
      "mutation ($prompt: PromptInput!) { createPrompt(input: { prompt: $prompt }) { prompt { extraMetadata } } }",
    );
    const inDocument = JSON.stringify(`mutation { createPrompt(input: { prompt: {
      name: "n", content: "c", extraMetadata: { n: ${source} } } }) { prompt { extraMetadata } } }`);
    const answers = [
      await post(`{ "query": ${query}, "variables": ${variables} }`),
      await post(`{ "query": ${inDocument} }`),
      await sendRaw(`{ "query": ${query}, "variables": ${variables} }`),
    ];
    for (const { data, errors } of answers) {
      if (isKept) {
        const kept = JSON.parse(source);
        // Zero has no sign in the database
        expect(data?.createPrompt.prompt.extraMetadata).toEqual({ n: kept === 0 ? 0 : kept });
      } else {
        expect(errors?.[0]?.message).toContain("send it as a string");
        expect(errors?.[0]?.extensions).toEqual({ code: "INVALID", field: "n" });
      }
    }
  });

  interface Kept {
    data?: { createPrompt: { prompt: { extraMetadata: unknown } } };
    errors?: GraphqlError[];
  }

  async function post(body: string): Promise<Kept> {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body,
    });
    return await response.json();
  }

  /** By websocket, whose message is this text. */
  async function sendRaw(payload: string): Promise<Kept> {
    const socket = new WebSocket(
      `${gateway.url.replace("http", "ws")}/graphql`,
      "graphql-transport-ws",
    );
    try {
      return await new Promise<Kept>((resolve, reject) => {
        socket.on("error", reject);
        socket.on("close", (code, reason) => reject(new Error(`${code} ${reason}`)));
        socket.on("open", () =>
          socket.send(
            JSON.stringify({
              type: "connection_init",
              payload: { authorization: `Bearer ${key}` },
            }),
          ));
        socket.on("message", (data) => {
          const message = JSON.parse(String(data));
          if (message.type === "connection_ack") {
            socket.send(`{ "type": "subscribe", "id": "1", "payload": ${payload} }`);
          } else if (message.type === "next") resolve(message.payload);
          else if (message.type === "error") resolve({ errors: message.payload });
        });
      });
    } finally {
      socket.terminate();
    }
  }

  test("by GET, too", async () => {
    const parameters = new URLSearchParams({
      query: "query ($first: Int) { prompts(first: $first) { totalCount } }",
      variables: '{ "first": 1e400 }',
    });
    const response = await fetch(`${gateway.url}/graphql?${parameters}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect((await response.json()).errors[0].extensions).toEqual({
      code: "INVALID",
      field: "first",
    });
  });
});
