import type { Client } from "pg";
import { migrateDatabase } from "../src/database/migrate_database.ts";
import { openClient } from "../src/database/open_client.ts";
import { databaseName, databaseUrl } from "../src/database/urls.ts";
import { type Benchmark, compare, type Comparison } from "./compare.ts";

/** Organizations of the same size, and analyses of the one that is measured. */
interface Size {
  organizations: number;
  analyses: number;
}

const promptsPerOrganization = 100;
const pageSize = 100;
const rounds = 100;

/** Searching prompts, and paging through analyses. */
export const searchBenchmark: Benchmark = {
  name: "search",
  description:
    "prompts by text, with a member's rights beside the same search by the owner, and among a hundred times as many; " +
    "the last page of all analyses beside the first",

  async run({ adminUrl, small }) {
    const base: Size = { organizations: 20, analyses: small ? 2_000 : 200_000 };
    const places: Place[] = [];
    try {
      for (const factor of [1, small ? 10 : 100]) {
        const url = databaseUrl(adminUrl, `${databaseName(adminUrl)}_${factor}`);
        places.push(await openPlace(url, { ...base, organizations: base.organizations * factor }));
      }
      const [few, many] = places as [Place, Place];
      return [...await pages(few), ...await rights(few), ...await growth(few, many)];
    } finally {
      for (const { owner, member } of places) {
        await owner.end();
        await member.end();
      }
    }
  },
};

/** A database of one size, with an organization of `promptsPerOrganization`, and one that has all their prompts again. */
interface Place extends Size {
  owner: Client;
  /** With the rights of a request of the organization in use. */
  member: Client;
  usual: Organization;
  large: Organization;
}

interface Organization {
  id: string;
  keyHash: string;
}

async function openPlace(url: string, size: Size): Promise<Place> {
  await migrateDatabase(url, {
    passwords: { curestry_gateway: "bench", curestry_worker: "bench" },
  });
  const owner = await openClient(url);
  await owner.query("set statement_timeout = 0");
  const usual = await makeOrganization(owner, "usual");
  const large = await makeOrganization(owner, "large");
  // Triggers would only make this slower: what is measured is reading
  await owner.query("set session_replication_role = replica");
  const { rows: [index] } = await owner.query<{ definition: string }>(
    "select pg_get_indexdef('app.idx_prompt_search_document'::regclass) as definition",
  );
  await owner.query("drop index app.idx_prompt_search_document");
  await owner.query(
    `insert into ops.organization (id, slug, name)
     select gen_random_uuid(), 'o-' || n, 'x' from generate_series(1, $1::int) as n`,
    [size.organizations - 1],
  );
  await addPrompts(
    owner,
    "select id from ops.organization where slug <> 'large' and personal_user_id is null",
    promptsPerOrganization,
  );
  await addPrompts(
    owner,
    "select id from ops.organization where slug = 'large'",
    size.organizations * promptsPerOrganization,
  );
  await owner.query(
    `insert into core.analysis_results
       (organization_id, analysis_run_id, prompt_content, detected_language, overall_score, judge_score,
        semantic_entropy, complexity_score, length_chars, length_words, created_at)
     select $1, gen_random_uuid(), 'x', 'en', n % 101 / 10.0, n % 97 / 10.0, n % 89 / 10.0, n % 83 / 10.0, 1, 1,
            '2026-01-01Z'::timestamptz + n / 100 * interval '1 minute'
       from generate_series(1, $2::int) as n`,
    [usual.id, size.analyses],
  );
  await owner.query(index!.definition);
  await owner.query("set session_replication_role = origin");
  await owner.query("vacuum analyze core.prompts, app.prompt_search, core.analysis_results");
  return { ...size, owner, member: await openClient(url), usual, large };
}

async function makeOrganization(client: Client, slug: string): Promise<Organization> {
  const { rows: [row] } = await client.query<{ id: string; keyHash: string }>(
    `select o.id, encode(sha256(k.key::bytea), 'hex') as "keyHash"
       from app.organization_create($1, 'x', $1 || '@x.example') o,
            app.api_key_create(o.id, null, 'bench', '{prompts:read,analyses:read}', null) k`,
    [slug],
  );
  return row!;
}

/** Prompts of 40 words, most of them seldom: one word is in all of them, one in ten, whatever their number. */
async function addPrompts(client: Client, organizations: string, count: number): Promise<void> {
  await client.query(
    `with p as (
       insert into core.prompts (organization_id, name, content)
       select o.id, 'Prompt ' || n,
              'everywhere ' || case when n <= 10 then 'seldom ' else '' end
              || (select string_agg('w' || (20000 * power(random(), 3))::int, ' ') from generate_series(1, 38) as w where w + n > 0)
         from generate_series(1, $1::int) as n, (${organizations}) as o (id)
       returning organization_id, id, created_at, name, description, content
     )
     insert into app.prompt_search
     select organization_id, id, created_at, app.prompt_document(name, description, content) from p`,
    [count],
  );
}

async function asMember(place: Place, organization: Organization): Promise<void> {
  await place.member.query("rollback; begin");
  await place.member.query("select app.begin_request(null, $1, null, 'bench')", [
    organization.keyHash,
  ]);
  await place.member.query("set local role curestry_member");
}

/** The API's statements for a page of analyses. */
async function pages(place: Place): Promise<Comparison[]> {
  await asMember(place, place.usual);
  const comparisons: Comparison[] = [];
  for (
    const [what, column, type] of [
      ["newest analyses", "created_at", "timestamptz"],
      ["analyses by overall score", "overall_score", "float8"],
    ] as const
  ) {
    const page = (condition: string) =>
      `select id, prompt_content, ${column} from core.analysis_results ${condition}
        order by ${column} desc, id desc limit ${pageSize}`;
    const { rows: [cursor] } = await place.owner.query<{ value: string; id: string }>(
      `select ${column}::text as value, id from core.analysis_results where organization_id = $1
        order by ${column} desc, id desc offset $2 limit 1`,
      [place.usual.id, place.analyses - pageSize - 1],
    );
    const last = page(`where (${column}, id) < ($1::${type}, $2::varchar)`);
    comparisons.push(
      await compare(
        `${what}, a page of ${place.analyses.toLocaleString("en")}`,
        {
          name: "the last page",
          work: () =>
            place.member.query({
              name: `last ${column}`,
              text: last,
              values: [cursor!.value, cursor!.id],
            }),
        },
        {
          name: "the first",
          work: () => place.member.query({ name: `first ${column}`, text: page("") }),
        },
        { rounds, limit: 1.5 },
      ),
    );
  }
  return comparisons;
}

/** What the owner's search costs, who sees all rows and names the organization. */
async function rights(place: Place): Promise<Comparison[]> {
  await asMember(place, place.large);
  const comparisons: Comparison[] = [];
  for (const word of ["seldom", "everywhere"]) {
    const text = `select prompt_id from app.prompt_search
        where organization_id = '${place.large.id}' and document @@ websearch_to_tsquery('simple', $1)
        order by ts_rank(document, websearch_to_tsquery('simple', $1), 1) desc, created_at desc, prompt_id desc`;
    const { rows } = await place.owner.query(text, [word]);
    comparisons.push(
      await compare(
        `the ${rows.length.toLocaleString("en")} prompts of ${
          (place.organizations * promptsPerOrganization).toLocaleString("en")
        } with a word`,
        { name: "searchPrompts", work: () => search(place, word) },
        { name: "by the owner", work: () => place.owner.query(text, [word]) },
        { rounds, ...(word === "everywhere" ? { limit: 1.5 } : {}) },
      ),
    );
  }
  return comparisons;
}

async function growth(few: Place, many: Place): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (
    const [what, organization, query] of [
      ["a word that all others use", "usual", "everywhere"],
      ["a seldom word", "usual", "seldom"],
      ["a seldom word, in an organization that has grown as much", "large", "seldom"],
    ] as const
  ) {
    for (const place of [few, many]) await asMember(place, place[organization]);
    comparisons.push(
      await compare(
        what,
        {
          name: `among ${many.organizations.toLocaleString("en")} organizations`,
          work: () => search(many, query),
        },
        {
          name: `among ${few.organizations.toLocaleString("en")}`,
          work: () => search(few, query),
        },
        { rounds, limit: 2 },
      ),
    );
  }
  return comparisons;
}

async function search({ member }: Place, query: string): Promise<void> {
  await member.query("select prompt_id, rank from core.search_prompts($1)", [query]);
}
