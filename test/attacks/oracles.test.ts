import { beforeAll, describe, expect, test } from "vitest";
import pg from "pg";
import { withClient } from "../../src/database/open_client.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { signIn } from "../helpers/token.ts";

/** Attacks that ask what an error, a conflict or a side effect tells of somebody else's rows. */

const database = withTestDatabase();
const gateway = withGateway(database);

const EVERYTHING = ["prompts:read", "prompts:write", "analyses:read", "analyses:write"]
  .concat(["workflows:read", "workflows:write", "rubrics:read", "rubrics:write"]);

interface Rows {
  prompt: string;
  run: number;
  rubric: string;
  analysisRun: string;
}

let ours: TestOrganization;
let theirs: TestOrganization;
let analyst: string;
let key: string;
let own: Rows;
let foreign: Rows;

beforeAll(async () => {
  ours = await makeOrganization(database);
  theirs = await makeOrganization(database);
  own = await fill(ours, "7");
  foreign = await fill(theirs, "victim@x.example");
  analyst = await makeAnalyst(database, [ours]);
  key = await makeKey(database, ours, EVERYTHING);
});

async function fill({ id }: TestOrganization, content: string): Promise<Rows> {
  const [row] = await database.query<Rows>(
    `with p as (insert into core.prompts (organization_id, name, content) values ($1, 'name', $2) returning id),
          w as (insert into core.workflow_runs (organization_id) values ($1) returning id),
          r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'rubric') returning id),
          a as (insert into ops.analysis_run (organization_id, status, started_at, prompt_content, idempotency_key)
                values ($1, 'running', now(), $2, 'the same') returning id)
     select p.id as prompt, w.id as run, r.id as rubric, a.id as "analysisRun" from p, w, r, a`,
    [id, content],
  );
  if (!row) throw new Error("Nothing was made");
  return row;
}

/** What a statement of a member fails with, without the ids in it. */
async function failure(sql: string, values: unknown[]): Promise<Record<string, unknown>> {
  try {
    await asMember(database, key, async (client) => {
      await client.query(sql, values);
      await client.query("set constraints all immediate");
    });
    return { code: "none" };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const { code, constraint, message, detail, hint } = error;
    const bare = (text: string | undefined) =>
      values.reduce<string>((text, value) => text.replaceAll(String(value), "…"), text ?? "");
    return { code, constraint, message: bare(message), detail: bare(detail), hint: bare(hint) };
  }
}

describe("T7: foreign keys, which are checked past row level security", () => {
  const references: [string, string, (rows: Rows) => unknown, unknown][] = [
    [
      "prompt_relations.source_id",
      "insert into core.prompt_relations (source_id, target_id, relation_type) select $1, min(id), 'overrides' from core.prompts",
      ({ prompt }) => prompt,
      crypto.randomUUID(),
    ],
    [
      "prompt_relations.target_id",
      "insert into core.prompt_relations (target_id, source_id, relation_type) select $1, min(id), 'overrides' from core.prompts",
      ({ prompt }) => prompt,
      crypto.randomUUID(),
    ],
    [
      "workflow_nodes.run_id",
      "insert into core.workflow_nodes (run_id, key) values ($1, 'k')",
      ({ run }) => run,
      2_000_000_000,
    ],
    [
      "evaluation_metrics.run_id",
      "insert into core.evaluation_metrics (run_id, metric_name, metric_value) values ($1, 'm', 1)",
      ({ run }) => run,
      2_000_000_000,
    ],
    [
      "judge_criterion.rubric_id",
      "insert into ops.judge_criterion (rubric_id, key, title) values ($1, 'k', 'K')",
      ({ rubric }) => rubric,
      crypto.randomUUID(),
    ],
    [
      "start_analysis_run(prompt_id)",
      "select ops.start_analysis_run(prompt_id => $1)",
      ({ prompt }) => prompt,
      crypto.randomUUID(),
    ],
    [
      "start_analysis_run(id)",
      "select ops.start_analysis_run(id => $1)",
      ({ analysisRun }) => analysisRun,
      crypto.randomUUID(),
    ],
    [
      "finish_analysis_run(id)",
      "select ops.finish_analysis_run($1)",
      ({ analysisRun }) => analysisRun,
      crypto.randomUUID(),
    ],
    [
      "revise_judge_rubric(id)",
      "select ops.revise_judge_rubric($1)",
      ({ rubric }) => rubric,
      crypto.randomUUID(),
    ],
  ];

  test.each(references)("do not tell another's row from none: %s", async (_name, sql, of, none) => {
    const ofForeign = await failure(sql, [of(foreign)]);
    const ofNothing = await failure(sql, [none]);
    expect(["23503", "CU003", "42501"]).toContain(ofForeign.code);
    expect(ofForeign).toEqual(ofNothing);
  });

  test("would, with a key of one column: the row is accepted, and stays a link to the other's", async () => {
    await database.query(
      `create table public.control (organization_id uuid default app.organization_id(), prompt_id text references core.prompts (id));
       alter table public.control enable row level security;
       create policy own on public.control using (organization_id = app.organization_if('prompts:read'));
       grant select, insert on public.control to curestry_member`,
    ).catch(async (error) => {
      // Without a unique key of id alone there is nothing that such a key could reference
      expect(error).toMatchObject({ code: "42830" });
      await database.query(
        `create unique index control on core.prompts (id);
         create table public.control (organization_id uuid default app.organization_id(), prompt_id text references core.prompts (id));
         alter table public.control enable row level security;
         create policy own on public.control using (organization_id = app.organization_if('prompts:read'));
         grant select, insert on public.control to curestry_member`,
      );
    });
    const insert = "insert into public.control (prompt_id) values ($1)";
    const states = [
      await failure(insert, [foreign.prompt]),
      await failure(insert, [crypto.randomUUID()]),
    ];
    await database.query("drop table public.control; drop index if exists core.control");
    expect(states.map(({ code }) => code)).toEqual(["none", "23503"]);
  });

  test("of tenants all begin with the organization", async () => {
    const rows = await database.query(
      `select c.conname from pg_constraint c
         join pg_attribute f on f.attrelid = c.conrelid and f.attname = 'organization_id'
         join pg_attribute t on t.attrelid = c.confrelid and t.attname = 'organization_id'
        where c.contype = 'f' and not (f.attnum = any (c.conkey) and t.attnum = any (c.confkey))`,
    );
    expect(rows).toEqual([]);
  });
});

describe("T8: unique keys across organizations", () => {
  test("are only these, of which none has a value that a member of another organization chooses unseen", async () => {
    const rows = await database.query<{ name: string }>(
      `select i.indexrelid::regclass::text as name
         from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
         left join pg_attribute a on a.attrelid = i.indrelid and a.attname = 'organization_id'
        where i.indisunique and n.nspname in ('core', 'ops', 'mart') and not c.relispartition
          and (a.attnum is null or i.indkey[0] <> a.attnum)`,
    );
    expect(rows.map(({ name }) => name).toSorted()).toEqual([
      "core.pk_auth_accounts", // made by the database
      "core.pk_sessions", // made by the database
      "core.pk_users", // made by the database
      "core.unq_auth_accounts_provider_account_id", // written by sign-in alone
      "core.unq_sessions_jwt_id", // random, made by the database
      "core.unq_users_email", // through inviteMember, see "Accepted"
      "core.unq_users_email_lower", // the same
      "ops.pk_organization", // made by the database
      "ops.unq_api_key_key_hash", // random, made by the database
      "ops.unq_organization_personal_user_id", // made by the database
      "ops.unq_organization_slug", // public by its nature, see "Accepted"
    ].toSorted());
  });

  test("no id can be chosen: it is in no list of columns that may be inserted", async () => {
    for (const table of ["core.prompts", "core.workflow_runs", "ops.judge_rubric"]) {
      const [row] = await database.query(`select id from ${table} where organization_id = $1`, [
        theirs.id,
      ]);
      expect((await failure(`insert into ${table} (id) values ($1)`, [row?.id])).code).toBe(
        "42501",
      );
    }
  });

  test("the same name, version or idempotency key as another's row is no conflict", async () => {
    expect(await failure("insert into core.prompts (name, content) values ('name', $1)", ["x"]))
      .toEqual({ code: "none" });
    await database.query("update ops.judge_rubric set name = 'theirs alone' where id = $1", [
      foreign.rubric,
    ]);
    expect(await failure("insert into ops.judge_rubric (name) values ($1)", ["theirs alone"]))
      .toEqual({ code: "none" });
    await database.query(
      "update ops.analysis_run set idempotency_key = 'theirs alone' where id = $1",
      [
        foreign.analysisRun,
      ],
    );
    expect(
      await failure("select ops.start_analysis_run(prompt_content => 'x', idempotency_key => $1)", [
        "theirs alone",
      ]),
    ).toEqual({ code: "none" });
  });

  test("accepted: ids of workflow runs are numbers that all organizations share", async () => {
    const rows = await database.query<{ id: number }>(
      "select id from core.workflow_runs where organization_id = any ($1) order by id",
      [[ours.id, theirs.id]],
    );
    expect((rows[1]?.id ?? 0) - (rows[0]?.id ?? 0)).toBe(1);
  });

  test("accepted: who invites a person sees the name that they gave themselves", async () => {
    await database.query("update core.users set name = 'Theirs' where id = $1", [
      theirs.ownerUserId,
    ]);
    const { token } = await signIn(database, ours.ownerEmail);
    const names = async () => {
      const { users } = await graphqlData<{ users: { nodes: { name: string }[] } }>(gateway.url, {
        token,
        organization: ours.slug,
        query: "{ users { nodes { name } } }",
      });
      return users.nodes.map(({ name }) => name);
    };
    await database.query(
      "delete from ops.organization_user where organization_id = $1 and user_id = $2",
      [ours.id, theirs.ownerUserId],
    );
    expect(await names()).not.toContain("Theirs");
    await graphqlData(gateway.url, {
      token,
      organization: ours.slug,
      query:
        `mutation { inviteMember(input: { email: "${theirs.ownerEmail}", role: "viewer" }) { result { userId } } }`,
    });
    expect(await names()).toContain("Theirs");
  });

  test("accepted: who invites by e-mail learns an id, and a slug that is taken is refused", async () => {
    const { token } = await signIn(database, ours.ownerEmail);
    const invite = async (email: string) => {
      const { inviteMember: { result } } = await graphqlData<
        { inviteMember: { result: Record<string, unknown> } }
      >(gateway.url, {
        token,
        organization: ours.slug,
        query:
          `mutation { inviteMember(input: { email: "${email}", role: "viewer" }) { result { userId email role } } }`,
      });
      return Object.keys(result);
    };
    expect(await invite(theirs.ownerEmail)).toEqual(await invite("nobody-yet@x.example"));
    const { errors } = await graphql(gateway.url, {
      token,
      query:
        `mutation { createOrganization(input: { slug: "${theirs.slug}", name: "x" }) { result { id } } }`,
    });
    expect(errors?.[0]?.extensions?.code).toBe("CONFLICT");
  });
});

describe("T9: upserts into somebody else's row", () => {
  const upserts: [string, string, (rows: Rows) => unknown[]][] = [
    [
      "by name",
      "insert into ops.judge_rubric (name, version, description) values ('rubric', 1, 'taken over') on conflict (organization_id, name, version) do update set description = excluded.description",
      () => [],
    ],
    [
      "by a reference",
      "insert into core.workflow_nodes (run_id, key, status) values ($1, 'node', 'failed') on conflict (organization_id, run_id, key) do update set status = excluded.status",
      ({ run }) => [run],
    ],
  ];

  test.each(upserts)("%s", async (_name, sql, of) => {
    await database.query(
      "insert into core.workflow_nodes (organization_id, run_id, key) values ($1, $2, 'node') on conflict do nothing",
      [theirs.id, foreign.run],
    );
    const everything = () =>
      database.query(
        "select n.*, r.* from core.workflow_nodes n, ops.judge_rubric r where n.organization_id = $1 and r.organization_id = $1",
        [theirs.id],
      );
    const before = await everything();
    await failure(sql, of(foreign));
    expect(await everything()).toEqual(before);
    // It does what it says to one's own row
    expect(await failure(sql, of(own))).toEqual({ code: "none" });
    expect(await everything()).toEqual(before);
  });

  test("a merge finds one's own rows only", async () => {
    const count = await asMember(database, key, async (client) => {
      const { rowCount } = await client.query(
        "merge into core.prompts p using (select $1::text as id union select $2) s on p.id = s.id when matched then update set description = 'merged'",
        [own.prompt, foreign.prompt],
      );
      return rowCount;
    });
    expect(count).toBe(1);
    const rows = await database.query("select description from core.prompts where id = $1", [
      foreign.prompt,
    ]);
    expect(rows).toEqual([{ description: null }]);
  });
});

describe("T10: functions in a condition that tell what they see", () => {
  /** Everything that the server says of a statement: rows, error and notices. */
  async function told(url: string, sql: string): Promise<string> {
    return await withClient(url, async (client) => {
      const heard: unknown[] = [];
      client.on("notice", ({ message }) => heard.push(message));
      try {
        heard.push((await client.query(sql)).rows);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        heard.push(error.message, error.detail, error.where);
      }
      return JSON.stringify(heard);
    });
  }

  test("tell of rows that a view hides, if it is not a barrier", async () => {
    await database.query(
      `create function public.leak(text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice 'saw %', $1; return true; end $$;
       create view report.bad as select content from core.prompts where organization_id::text = '${ours.id}';
       create view report.barrier with (security_barrier = true) as select content from core.prompts where organization_id::text = '${ours.id}';
       grant select on report.bad, report.barrier to curestry_analyst`,
    );
    const bad = await told(analyst, "select * from report.bad where leak(content)");
    const barrier = await told(analyst, "select * from report.barrier where leak(content)");
    const rls = await told(analyst, "select content from core.prompts where leak(content)");
    const report = await told(analyst, "select content from report.prompts where leak(content)");
    await database.query(
      "drop view report.bad, report.barrier; drop function public.leak(text)",
    );
    expect(bad).toContain("victim@x.example");
    for (const heard of [barrier, rls, report]) {
      expect(heard).toContain("saw 7");
      expect(heard).not.toContain("victim");
    }
  });

  test.each([
    "select content from core.prompts where content::int > 0",
    "select content from report.prompts where content::int > 0",
    "select content from core.prompts where content::xml is not null",
    "select max(content::int) from core.prompts",
    "select 1 / (content <> 'victim@x.example')::int from core.prompts",
    "select from core.prompts p join core.prompts q on p.content::int = q.content::int",
    "do $$ declare r record; begin for r in select content from core.prompts where content::int > 0 loop raise notice '%', r; end loop; end $$",
    "select query_to_xml('select content from core.prompts where content::int > 0', true, true, '')",
    "select content from core.prompts tablesample system (100) where content::int > 0",
    "select ctid, content from core.prompts where ctid = '(0,2)'",
    "explain (analyze, verbose) select content from core.prompts where content::int > 0",
  ])("tell an analyst of no row that is hidden: %s", async (sql) => {
    expect(await told(analyst, sql)).not.toContain("victim");
    // Whoever sees the row would be told
    expect(
      /invalid input|invalid XML|victim|division/.test(await told(database.adminUrl, sql)) ||
        sql.includes("explain") || sql.includes("ctid"),
    ).toBe(true);
  });

  test("nor a member, in a filter of the API", async () => {
    for (
      const filter of [
        `{ organization: { slug: { equalTo: "${theirs.slug}" } } }`,
        `{ organization: { prompts: { some: { name: { includes: "" } } } } }`,
        `{ not: { organization: { slug: { equalTo: "${ours.slug}" } } } }`,
        `{ or: [{ id: { equalTo: "${foreign.prompt}" } }, { id: { in: ["${foreign.prompt}"] } }] }`,
      ]
    ) {
      const { data } = await graphql<{ prompts: { nodes: { id: string }[] } }>(gateway.url, {
        key,
        query: `{ prompts(filter: ${filter}) { nodes { id content } } }`,
      });
      expect(JSON.stringify(data ?? null)).not.toContain("victim");
      expect(data?.prompts?.nodes.map(({ id }) => id) ?? []).not.toContain(foreign.prompt);
    }
  });

  test("the rows of statistics are as hidden as those of the table", async () => {
    await database.query("analyze core.prompts");
    const rows = await query<{ n: number }>(
      analyst,
      "select count(*)::int as n from pg_stats where schemaname in ('app', 'core', 'ops', 'mart')",
    );
    expect(rows).toEqual([{ n: 0 }]);
    for (const table of ["pg_statistic", "pg_statistic_ext_data", "pg_authid", "pg_user_mapping"]) {
      await expect(query(analyst, `select from ${table}`)).rejects.toMatchObject({ code: "42501" });
    }
  });
});
