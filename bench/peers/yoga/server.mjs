/**
 * GraphQL Yoga with Pothos and Drizzle, for what the benchmark of the gateway asks for, with the same check
 * of the credential and one transaction under row level security for each operation.
 */
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import process from "node:process";
import SchemaBuilder from "@pothos/core";
import { asc, desc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { jsonb, pgSchema, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { createYoga } from "graphql-yoga";
import pg from "pg";

const pool = new pg.Pool({ connectionString: process.env.BENCH_GATEWAY_URL, max: 10 });
const db = drizzle(pool);
const core = pgSchema("core");
const ops = pgSchema("ops");
const at = (name) => timestamp(name, { withTimezone: true, mode: "string" });

const prompts = core.table("prompts", {
  id: text("id"),
  name: text("name"),
  description: text("description"),
  content: text("content"),
  language: text("language"),
  tags: jsonb("tags"),
  createdAt: at("created_at"),
  updatedAt: at("updated_at"),
});
const promptRelations = core.table("prompt_relations", {
  id: text("id"),
  sourceId: text("source_id"),
  targetId: text("target_id"),
  relationType: text("relation_type"),
});
const runs = ops.table("analysis_run", {
  id: uuid("id"),
  status: text("status"),
  startedAt: at("started_at"),
  finishedAt: at("finished_at"),
  occurredAt: at("occurred_at"),
  createdAt: at("created_at"),
  promptId: text("prompt_id"),
  meta: jsonb("meta"),
});

const builder = new SchemaBuilder({});
builder.scalarType("JSON", { serialize: (value) => value });
const Run = builder.objectRef("AnalysisRun");
Run.implement({
  fields: (t) => ({
    id: t.exposeString("id"),
    status: t.exposeString("status"),
    startedAt: t.exposeString("startedAt", { nullable: true }),
    finishedAt: t.exposeString("finishedAt", { nullable: true }),
    occurredAt: t.exposeString("occurredAt"),
    promptId: t.exposeString("promptId", { nullable: true }),
    meta: t.field({ type: "JSON", resolve: (run) => run.meta }),
  }),
});
const Runs = builder.objectRef("AnalysisRunConnection");
Runs.implement({
  fields: (t) => ({
    nodes: t.field({
      type: [Run],
      resolve: ({ first, promptId }, _args, { tx }) => {
        const query = tx.select().from(runs);
        return promptId === undefined
          ? query.orderBy(desc(runs.createdAt), desc(runs.id)).limit(first)
          : query.where(eq(runs.promptId, promptId)).orderBy(asc(runs.id)).limit(first);
      },
    }),
    totalCount: t.int({ resolve: (_runs, _args, { tx }) => tx.$count(runs) }),
  }),
});
const Prompt = builder.objectRef("Prompt");
const Relation = builder.objectRef("PromptRelation");
Relation.implement({
  fields: (t) => ({
    relationType: t.exposeString("relationType"),
    target: t.field({ type: Prompt, resolve: (relation) => relation.target }),
  }),
});
const Relations = builder.objectRef("PromptRelationConnection");
Relations.implement({
  fields: (t) => ({ nodes: t.field({ type: [Relation], resolve: (relations) => relations }) }),
});
Prompt.implement({
  fields: (t) => ({
    id: t.exposeString("id"),
    name: t.exposeString("name"),
    description: t.exposeString("description", { nullable: true }),
    content: t.exposeString("content"),
    language: t.exposeString("language"),
    tags: t.field({ type: "JSON", resolve: (prompt) => prompt.tags }),
    createdAt: t.exposeString("createdAt"),
    updatedAt: t.exposeString("updatedAt"),
    promptRelationsBySourceId: t.field({
      type: Relations,
      args: { first: t.arg.int({ required: true }) },
      resolve: ({ id }, { first }, { tx }) =>
        tx.select({ relationType: promptRelations.relationType, target: prompts })
          .from(promptRelations)
          .innerJoin(prompts, eq(prompts.id, promptRelations.targetId))
          .where(eq(promptRelations.sourceId, id))
          .orderBy(asc(promptRelations.id))
          .limit(first),
    }),
    analysisRuns: t.field({
      type: Runs,
      args: { first: t.arg.int({ required: true }) },
      resolve: ({ id }, { first }) => ({ first, promptId: id }),
    }),
  }),
});
builder.enumType("AnalysisRunOrderBy", { values: ["CREATED_AT_DESC"] });
builder.queryType({
  fields: (t) => ({
    analysisRuns: t.field({
      type: Runs,
      args: {
        first: t.arg.int({ required: true }),
        orderBy: t.arg({ type: ["AnalysisRunOrderBy"] }),
      },
      resolve: (_root, { first }) => ({ first }),
    }),
    prompt: t.field({
      type: Prompt,
      nullable: true,
      args: { id: t.arg.string({ required: true }) },
      resolve: async (_root, { id }, { tx }) =>
        (await tx.select().from(prompts).where(eq(prompts.id, id)))[0] ?? null,
    }),
  }),
});

/** Runs each operation in one transaction with the rights of its request. */
const transactions = {
  onExecute({ executeFn, setExecuteFn }) {
    setExecuteFn((args) =>
      db.transaction(async (tx) => {
        const { hash } = args.contextValue;
        await tx.execute(sql`select app.begin_request(null, ${hash}, null, ${randomUUID()})`);
        await tx.execute(sql`set local role curestry_member`);
        args.contextValue.tx = tx;
        return await executeFn(args);
      }, { isolationLevel: "repeatable read", accessMode: "read only" })
    );
  },
};

const yoga = createYoga({
  schema: builder.toSchema(),
  logging: false,
  plugins: [transactions],
  context: ({ request }) => {
    const key = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    return { hash: createHash("sha256").update(key).digest("hex") };
  },
});
const server = createServer(yoga);
server.listen(0, "127.0.0.1", () => console.log(`ready on http://127.0.0.1:${server.address().port}`));
