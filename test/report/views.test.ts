import { beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeAnalyst, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** Each view of `report`: shows an analyst the granted organizations only, and the numbers of the base tables. */

const database = withTestDatabase();

/**
 * By view: figures of one organization ($1, a slug) by the view, and by tables alone ($1, an id), one
 * for each column that has a value of its own.
 */
const views: Record<string, { figures: string; base: string }> = {
  prompts: {
    figures:
      `select count(*), count(distinct prompt_id) as ids, sum(length(name)) as name, sum(length(description)) as description,
                     sum(length(content)) as content, max(format_type) as format, max(language) as language,
                     sum(cardinality(tags)) as tags, count(*) filter (where 'blue' = any (tags)) as blue,
                     max(extra_metadata ->> 'k') as extra, min(created_at) as created, max(updated_at) as updated
                from report.prompts where organization = $1`,
    base:
      `select count(*), count(distinct id) as ids, sum(length(name)) as name, sum(length(description)) as description,
                  sum(length(content)) as content, max(format_type) as format, max(language) as language,
                  sum(jsonb_array_length(tags)) as tags, count(*) filter (where tags ? 'blue') as blue,
                  max(extra_metadata ->> 'k') as extra, min(created_at) as created, max(updated_at) as updated
             from core.prompts where organization_id = $1`,
  },
  analyses: {
    figures:
      `select count(*), count(distinct analysis_run_id) as ids, count(*) filter (where status = 'failed') as failed,
                     count(prompt_id) as with_prompt, max(prompt_name) as prompt_name, max(user_email) as email,
                     min(started_at) as started, max(finished_at) as finished, sum(duration_seconds) as seconds,
                     max(occurred_at) as occurred, max(detected_language) as language, bool_or(translated) as translated,
                     count(*) filter (where format_valid) as valid, sum(overall_score) as overall, sum(judge_score) as judge,
                     sum(semantic_entropy) as entropy, sum(complexity_score) as complexity, sum(length_chars) as chars,
                     sum(length_words) as words, sum(contradictions) as contradictions, max(meta ->> 'k') as meta,
                     max(created_at) as created
                from report.analyses where organization = $1`,
    base: `select r.*, p.*, u.*, d.*
             from (select count(*), count(distinct id) as ids, count(*) filter (where status = 'failed') as failed,
                          count(prompt_id) as with_prompt, min(started_at) as started, max(finished_at) as finished,
                          sum(extract(epoch from finished_at - started_at)) as seconds, max(occurred_at) as occurred,
                          max(meta ->> 'k') as meta, max(created_at) as created
                     from ops.analysis_run where organization_id = $1) r,
                  (select max(name) as prompt_name from core.prompts where organization_id = $1
                      and id in (select prompt_id from ops.analysis_run)) p,
                  (select max(email) as email from core.users
                    where id in (select user_id from ops.analysis_run where organization_id = $1)) u,
                  (select max(detected_language) as language, bool_or(translated) as translated,
                          count(*) filter (where format_valid) as valid, sum(overall_score) as overall,
                          sum(judge_score) as judge, sum(semantic_entropy) as entropy, sum(complexity_score) as complexity,
                          sum(length_chars) as chars, sum(length_words) as words,
                          sum(jsonb_array_length(contradictions)) as contradictions
                     from core.analysis_results where organization_id = $1) d`,
  },
  metrics: {
    figures:
      `select count(*), count(distinct analysis_run_id) as runs, count(distinct metric) as metrics, sum(value_num) as num,
                     max(value_text) as text, max(value_json ->> 'k') as json, max(occurred_at) as occurred
                from report.metrics where organization = $1`,
    base:
      `select count(*), count(distinct analysis_run_id) as runs, count(distinct key) as metrics, sum(value_num) as num,
                  max(value_text) as text, max(value_json ->> 'k') as json, max(occurred_at) as occurred
             from ops.analysis_metric where organization_id = $1`,
  },
  judge_scores: {
    figures:
      `select count(*), count(distinct judge_score_id) as ids, count(distinct analysis_run_id) as runs,
                     count(prompt_id) as with_prompt, max(prompt_name) as prompt, max(rubric) as rubric,
                     max(rubric_version) as version, string_agg(distinct criterion, ',') as criteria,
                     string_agg(distinct criterion_title, ',') as titles, sum(score * weight) as weighted, sum(score) as score,
                     max(comment) as comment, max(occurred_at) as occurred
                from report.judge_scores where organization = $1`,
    base: `select s.*, c.*, b.*, p.*
             from (select count(*), count(distinct id) as ids, count(distinct analysis_run_id) as runs, sum(score) as score,
                          max(comment) as comment, max(occurred_at) as occurred,
                          sum(score * (select weight from ops.judge_criterion c
                                        where c.organization_id = s.organization_id and c.id = s.criterion_id)) as weighted
                     from ops.judge_score s where organization_id = $1) s,
                  (select string_agg(distinct key, ',') as criteria, string_agg(distinct title, ',') as titles
                     from ops.judge_criterion where organization_id = $1) c,
                  (select max(name) as rubric, max(version) as version from ops.judge_rubric where organization_id = $1) b,
                  (select count(r.prompt_id) as with_prompt, max((select name from core.prompts where id = r.prompt_id)) as prompt
                     from ops.judge_score s, ops.analysis_run r
                    where s.organization_id = $1 and r.organization_id = $1 and r.id = s.analysis_run_id) p`,
  },
  members: {
    figures:
      `select count(*), max(organization_name) as name, sum(user_id) as users, string_agg(email, ',' order by email) as emails,
                     string_agg(name, ',' order by name) as names, string_agg(role, ',' order by role) as roles,
                     string_agg(status, ',' order by status) as status, max(member_since) as since
                from report.members where organization = $1`,
    base: `select m.*, u.*, (select name from ops.organization where id = $1) as name
             from (select count(*), sum(user_id) as users, string_agg(role, ',' order by role) as roles,
                          string_agg(status, ',' order by status) as status, max(created_at) as since
                     from ops.organization_user where organization_id = $1) m,
                  (select string_agg(email, ',' order by email) as emails, string_agg(name, ',' order by name) as names
                     from core.users where id in (select user_id from ops.organization_user where organization_id = $1)) u`,
  },
  // Of the runs and values themselves, not of the tables of the marts
  analysis_daily: {
    figures:
      `select sum(analyses) as analyses, sum(scored) as scored, min(day)::text as first, max(day)::text as last,
                     round(sum(sum_overall)::numeric, 6) as overall, round(sum(sum_entropy)::numeric, 6) as entropy,
                     round(sum(avg_overall * scored)::numeric, 6) as overall_of_means, round(sum(avg_entropy * scored)::numeric, 6) as entropy_of_means
                from report.analysis_daily where organization = $1`,
    base:
      `select r.*, d.overall, d.entropy, d.overall as overall_of_means, d.entropy as entropy_of_means, d.scored
             from (select count(*) as analyses, min((finished_at at time zone 'UTC')::date)::text as first,
                          max((finished_at at time zone 'UTC')::date)::text as last
                     from ops.analysis_run where organization_id = $1 and finished_at is not null) r,
                  (select count(*) as scored, round(sum(overall_score)::numeric, 6) as overall,
                          round(sum(semantic_entropy)::numeric, 6) as entropy
                     from core.analysis_results where organization_id = $1) d`,
  },
  analysis_daily_by: {
    figures:
      `select dimension, value, sum(analyses) as analyses, sum(scored) as scored, min(day)::text as first, max(day)::text as last,
                     round(coalesce(sum(sum_overall), 0), 6) as overall, round(coalesce(sum(avg_overall * scored), 0), 6) as overall_of_means,
                     round(coalesce(sum(sum_entropy), 0), 6) as entropy, round(coalesce(sum(avg_entropy * scored), 0), 6) as entropy_of_means,
                     sum(judged) as judged, round(coalesce(sum(sum_judged), 0), 6) as judgement,
                     round(coalesce(sum(avg_judged * judged), 0), 6) as judgement_of_means
                from report.analysis_daily_by where organization = $1 group by 1, 2 order by 1, 2`,
    base:
      `select k.dimension, k.value, count(*) as analyses, count(d.id) as scored, min((r.finished_at at time zone 'UTC')::date)::text as first,
                  max((r.finished_at at time zone 'UTC')::date)::text as last,
                  round(coalesce(sum(d.overall_score::numeric), 0), 6) as overall, round(coalesce(sum(d.overall_score::numeric), 0), 6) as overall_of_means,
                  round(coalesce(sum(d.semantic_entropy::numeric), 0), 6) as entropy, round(coalesce(sum(d.semantic_entropy::numeric), 0), 6) as entropy_of_means,
                  count(k.score) as judged, round(coalesce(sum(k.score), 0), 6) as judgement, round(coalesce(sum(k.score), 0), 6) as judgement_of_means
             from ops.analysis_run r
             left join core.analysis_results d on d.analysis_run_id = r.id,
                  lateral (select 'status' as dimension, r.status::text as value, null::numeric as score
                           union all select 'language', d.detected_language, null where d.id is not null
                           union all
                           select 'rubric', b.name || ' v' || b.version, ops.analysis_run_weighted_score(r, b.id)
                             from ops.judge_rubric b
                            where b.organization_id = $1 and exists (
                              select from ops.judge_score s join ops.judge_criterion c on c.id = s.criterion_id
                               where s.analysis_run_id = r.id and c.rubric_id = b.id)) k
            where r.organization_id = $1 and r.finished_at is not null
            group by 1, 2 order by 1, 2`,
  },
  metric_timeseries: {
    figures:
      `select granularity, sum(sample_count) as samples, sum(numeric_count) as numbers, round(sum(sum)::numeric, 6) as sum,
                     round(sum(mean * numeric_count)::numeric, 6) as sum_of_means, round(min(min)::numeric, 6) as min,
                     round(max(max)::numeric, 6) as max, max((counts ->> 'red')::bigint) as red
                from report.metric_timeseries where organization = $1 and metric in ('latency', 'colour')
               group by granularity order by granularity`,
    base:
      `select granularity, count(*) as samples, count(value_num) as numbers, round(sum(value_num)::numeric, 6) as sum,
                  round(sum(value_num)::numeric, 6) as sum_of_means, round(min(value_num)::numeric, 6) as min,
                  round(max(value_num)::numeric, 6) as max, count(*) filter (where value_text = 'red') as red
             from ops.analysis_metric, unnest(array['day', 'hour']) as granularity
            where organization_id = $1 and key in ('latency', 'colour')
            group by granularity order by granularity`,
  },
  feature_daily: {
    figures:
      `select feature, sum(events) as events, sum(unique_users) as users, max(day)::text as day
                from report.feature_daily where organization = $1 group by feature order by feature`,
    base:
      `select feature_key as feature, sum(event_count) as events, count(distinct user_id) as users,
                  max((occurred_at at time zone 'UTC')::date)::text as day
             from ops.feature_event where organization_id = $1 group by feature_key order by feature_key`,
  },
};

let ours: TestOrganization;
let theirs: TestOrganization;
let analyst: string;
let analystOfBoth: string;

beforeAll(async () => {
  ours = await makeOrganization(database, { name: "Ours" });
  theirs = await makeOrganization(database, { name: "Theirs" });
  await fill(ours, 1);
  await fill(theirs, 2);
  await database.query("select app.mart_refresh_all()");
  analyst = await makeAnalyst(database, [ours]);
  analystOfBoth = await makeAnalyst(database, [ours, theirs]);
});

/** @param factor makes the numbers of an organization its own */
async function fill(organization: TestOrganization, factor: number): Promise<void> {
  const { id, ownerUserId } = organization;
  await database.query("update core.users set name = $2 where id = $1", [
    ownerUserId,
    `Owner ${factor}`,
  ]);
  const rows = await database.query<{ id: string }>(
    `insert into core.prompts (organization_id, name, description, content, format_type, language, tags, extra_metadata)
     values ($1, 'First', 'one', 'Hello', 'markdown', 'en', '["blue", "red"]', '{"k": "v"}'),
            ($1, 'Second', null, 'Good morning', 'text', 'de', '[]', '{}'),
            ($1, 'Third', null, 'x', 'text', 'en', '["blue"]', '{}')
     returning id`,
    [id],
  );
  await database.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'Rubric') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title, weight)
     select $1, id, key, title, weight from r, (values ('clear', 'Clear', 0.25), ('short', 'Short', 0.75)) as c (key, title, weight)`,
    [id],
  );
  const records = Array.from({ length: 6 * factor }, (_, number) => {
    const startedAt = new Date(Date.UTC(2026, 0, 1 + number % 3, 22 + number, 15)).toISOString();
    const finishedAt = new Date(Date.parse(startedAt) + 1500 * (number + 1)).toISOString();
    const common = { idempotencyKey: `${number}`, meta: { k: "v" }, startedAt };
    if (number === 0) return { ...common, promptContent: "x", status: "running" };
    if (number === 1) return { ...common, promptContent: "x", status: "failed", finishedAt };
    return {
      ...common,
      promptId: rows[number % 2]?.id,
      finishedAt,
      result: {
        detectedLanguage: "en",
        translated: number === 2,
        formatValid: number % 2 === 0,
        overallScore: number * 0.5,
        judgeScore: number * 0.25,
        semanticEntropy: number * 0.125,
        complexityScore: number * 0.75,
        lengthChars: number * 100,
        lengthWords: number * 10,
        contradictions: number === 3 ? [{ a: 1 }, { b: 2 }] : [],
      },
      metrics: [
        { key: "latency", valueNum: number * 1.5 },
        { key: "colour", valueText: number === 2 ? "red" : "blue" },
        { key: "details", valueJson: { k: `${number}` } },
      ],
      scores: [
        { rubric: "Rubric", criterion: "clear", score: number % 10, comment: "because" },
        { rubric: "Rubric", criterion: "short", score: 5 },
      ],
    };
  });
  const lines = records.map((record, index) => ({ line: index + 1, record }));
  const imported = await database.query<{ outcome: string; reason: string | null }>(
    "select outcome, reason from app.analysis_import($1, $2)",
    [id, JSON.stringify(lines)],
  );
  for (const row of imported) expect(row).toEqual({ outcome: "inserted", reason: null });
  await database.query(
    "update ops.analysis_run set user_id = $2 where organization_id = $1 and status = 'failed'",
    [id, ownerUserId],
  );
  await database.query(
    `insert into ops.feature_event (organization_id, user_id, feature_key, event_count, occurred_at)
     values ($1, $2, 'export', $3, '2026-01-01T12:00Z'), ($1, $2, 'export', 3, '2026-01-01T13:00Z'), ($1, null, 'share', 1, now())`,
    [id, ownerUserId, factor],
  );
}

test("every view of report is in the list, and says of which organization each row is", async () => {
  const rows = await database.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization'
      where c.relnamespace = 'report'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')`,
  );
  const all = await database.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'report'::regnamespace and relkind not in ('i', 'c')",
  );
  expect(rows.map(({ name }) => name).toSorted()).toEqual(Object.keys(views).toSorted());
  expect(all).toHaveLength(rows.length);
});

describe.each(Object.entries(views))("report.%s", (view, { figures, base }) => {
  const seen = (url: string, before = "") =>
    query<{ organization: string }>(
      url,
      `${before} select distinct organization from report.${view} order by organization`,
    ).then((rows) => rows.map(({ organization }) => organization));

  test("shows an analyst the granted organizations only; rows of the other exist", async () => {
    const both = [ours.slug, theirs.slug].toSorted();
    // Beside people's personal organizations
    expect(await seen(database.adminUrl)).toEqual(expect.arrayContaining(both));
    expect(await seen(analyst)).toEqual([ours.slug]);
    expect(await seen(analystOfBoth)).toEqual(both);
    expect(
      await query(analyst, `select from report.${view} where organization = $1`, [theirs.slug]),
    ).toEqual([]);
  });

  test("shows the numbers of the base tables", async () => {
    for (const { id, slug } of [ours, theirs]) {
      const expected = await database.query(base, [id]);
      expect(await query(analystOfBoth, figures, [slug])).toEqual(expected);
      // Each figure says something
      for (const row of expected) expect(Object.values(row)).not.toContain(null);
      expect(expected.length).toBeGreaterThan(0);
    }
    expect(await query(analyst, figures, [ours.slug])).toEqual(
      await database.query(base, [ours.id]),
    );
  });

  test("can neither be written through nor be read by members and the anonymous", async () => {
    const [rights] = await database.query(
      `select bool_or(has_table_privilege(r, $1, 'insert, update, delete, truncate')) as write,
              bool_or(has_table_privilege(r, $1, 'select')) filter (where r <> 'curestry_analyst') as read
         from unnest(array['curestry_analyst', 'curestry_member', 'curestry_anonymous', 'curestry_gateway', 'curestry_worker']) as r`,
      [`report.${view}`],
    );
    expect(rights).toEqual({ write: false, read: false });
  });
});
