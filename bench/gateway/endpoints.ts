/**
 * What one would write by hand for the operations of this benchmark: `Deno.serve` and pg, the same check of
 * the credential, the same transaction under the same row level security.
 *
 * Arguments: "plain" waits for each statement; "pipelined" sends a transaction's statements at once.
 */
import { createHash } from "node:crypto";
import process from "node:process";
import pg from "pg";

const isPipelined = process.argv[2] === "pipelined";
const pool = new pg.Pool({
  connectionString: process.env.BENCH_GATEWAY_URL,
  max: 10,
  ...(isPipelined ? { pipeline: true } : {}),
});

interface Statement {
  name: string;
  text: string;
  values?: unknown[];
}

const runColumns = `id, status, started_at as "startedAt", finished_at as "finishedAt",
  occurred_at as "occurredAt", prompt_id as "promptId", meta`;
const newest: Statement = {
  name: "newest",
  text: `select ${runColumns} from ops.analysis_run order by created_at desc, id desc limit 20`,
};

/** What an operation asks for, and what its answer is made of. */
interface Endpoint {
  writes?: boolean;
  statements(variables: Record<string, unknown>): Statement[];
  answer(results: pg.QueryResult[]): unknown;
}

const prompt = (id: unknown): Statement => ({
  name: "prompt",
  text: `select id, name, description, content, language, tags, created_at as "createdAt",
           updated_at as "updatedAt" from core.prompts where id = $1`,
  values: [id],
});

const record: Endpoint = {
  writes: true,
  statements: ({ items }) => [{
    name: "record",
    text: `select outcome, analysis_run_id as "analysisRunId", message
             from ops.record_analyses(array(
               select i::ops.analysis_item from jsonb_populate_recordset(null::ops.analysis_item, $1::jsonb) as i))`,
    values: [JSON.stringify(toSnakeCase(items))],
  }],
  answer: ([outcomes]) => ({ result: outcomes?.rows }),
};

const endpoints: Record<string, Endpoint> = {
  list: {
    statements: () => [newest],
    answer: ([runs]) => ({ nodes: runs?.rows }),
  },
  count: {
    statements: () => [newest, {
      name: "count",
      text: "select count(*) as number from ops.analysis_run",
    }],
    answer: ([runs, count]) => ({ totalCount: Number(count?.rows[0]?.number), nodes: runs?.rows }),
  },
  prompt: {
    statements: ({ id }) => [prompt(id)],
    answer: ([found]) => found?.rows[0] ?? null,
  },
  related: {
    statements: ({ id }) => [
      prompt(id),
      {
        name: "relations",
        text:
          `select r.relation_type as "relationType", json_build_object('id', p.id, 'name', p.name) as target
                 from core.prompt_relations r join core.prompts p on p.id = r.target_id
                where r.source_id = $1 order by r.id limit 10`,
        values: [id],
      },
      {
        name: "runs",
        text:
          `select ${runColumns} from ops.analysis_run where prompt_id = $1 order by id limit 10`,
        values: [id],
      },
    ],
    answer: ([found, relations, runs]) => ({
      ...found?.rows[0],
      promptRelationsBySourceId: { nodes: relations?.rows },
      analysisRuns: { nodes: runs?.rows },
    }),
  },
  record1: record,
  record100: record,
};

function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map((
      [key, inner],
    ) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), toSnakeCase(inner)]),
  );
}

async function run(
  client: pg.PoolClient,
  hash: string,
  endpoint: Endpoint,
  statements: Statement[],
): Promise<pg.QueryResult[]> {
  const all: (Statement | string)[] = [
    endpoint.writes ? "begin" : "begin isolation level repeatable read, read only",
    {
      name: "begin_request",
      text: "select app.begin_request(null, $1, null, $2)",
      values: [hash, crypto.randomUUID()],
    },
    "set local role curestry_member",
    ...statements,
  ];
  const results: pg.QueryResult[] = [];
  try {
    if (isPipelined) results.push(...await Promise.all(all.map((one) => client.query(one))));
    else for (const one of all) results.push(await client.query(one));
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
  return results.slice(3);
}

async function handle(request: Request): Promise<Response> {
  const endpoint = endpoints[new URL(request.url).pathname.slice(1)];
  const key = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (endpoint === undefined) return Response.json({ error: "not found" }, { status: 404 });
  if (key === undefined) return Response.json({ error: "no credential" }, { status: 401 });
  const hash = createHash("sha256").update(key).digest("hex");
  const { variables } = await request.json();
  const client = await pool.connect();
  try {
    const results = await run(client, hash, endpoint, endpoint.statements(variables));
    return Response.json({ data: endpoint.answer(results) });
  } catch (error) {
    console.error(error);
    return Response.json({ error: "failed" }, { status: 500 });
  } finally {
    client.release();
  }
}

const server = Deno.serve(
  {
    port: 0,
    hostname: "127.0.0.1",
    onListen: ({ port }) => console.log(`ready on http://127.0.0.1:${port}`),
  },
  handle,
);
await server.finished;
