import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { makeRandom, pick, type Random } from "../helpers/random.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let ours: TestOrganization;
let key: string;
let foreignKey: string;

beforeAll(async () => {
  ours = await makeOrganization(database);
  const theirs = await makeOrganization(database);
  key = await makeKey(database, ours, ["prompts:read", "prompts:write"]);
  foreignKey = await makeKey(database, theirs, ["prompts:read", "prompts:write"]);
});

/** A prompt as clients send it. */
interface Prompt {
  name?: string;
  description?: string;
  content: string;
  tags?: string[];
  language?: string;
  formatType?: string;
}

async function make(prompt: Prompt, credential = key): Promise<string> {
  const { createPrompt } = await graphqlData<{ createPrompt: { prompt: { id: string } } }>(
    gateway.url,
    {
      key: credential,
      query:
        "mutation ($prompt: PromptInput!) { createPrompt(input: { prompt: $prompt }) { prompt { id } } }",
      variables: { prompt: { name: "n", ...prompt } },
    },
  );
  return createPrompt.prompt.id;
}

/** What to search for. */
interface Search {
  query?: string | null;
  tags?: string[];
  match?: string;
  language?: string;
  formatType?: string;
  first?: number;
  after?: string;
}

/** What was found. */
interface Found {
  totalCount: number;
  pageInfo: { hasNextPage: boolean; endCursor: string };
  nodes: { rank: number; prompt: { name: string } }[];
}

const searchPrompts = `
  query ($query: String, $tags: [String!], $match: TagMatch, $language: String, $formatType: String, $first: Int, $after: Cursor) {
    searchPrompts(query: $query, tags: $tags, match: $match, language: $language, formatType: $formatType, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { rank prompt { name } }
    }
  }`;

async function find(search: Search, credential = key): Promise<Found> {
  const { searchPrompts: found } = await graphqlData<{ searchPrompts: Found }>(gateway.url, {
    key: credential,
    query: searchPrompts,
    variables: { ...search },
  });
  return found;
}

async function names(search: Search | string, credential = key): Promise<string[]> {
  const found = await find(typeof search === "string" ? { query: search } : search, credential);
  return found.nodes.map(({ prompt }) => prompt.name);
}

describe("searchPrompts", () => {
  beforeAll(async () => {
    await make({ name: "in content", content: "Answer as a zebra would.", tags: ["a"] });
    await make({
      name: "in description",
      description: "For the zebra",
      content: "x",
      tags: ["a", "b"],
      language: "de",
    });
    await make({ name: "zebra in name", content: "x", formatType: "xml" });
    await make({ name: "theirs", content: "zebra", tags: ["a"] }, foreignKey);
  });

  test("finds words in name, description and content, in this order, of one's own organization", async () => {
    expect(await names("Zebra")).toEqual(["zebra in name", "in description", "in content"]);
    expect(await names("zebra", foreignKey)).toEqual(["theirs"]);
    const ranks = (await find({ query: "zebra" })).nodes.map(({ rank }) => rank);
    expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
    expect(Math.min(...ranks)).toBeGreaterThan(0);
  });

  test("leaves what tags, language and format say", async () => {
    expect(await names({ query: "zebra", tags: ["a"] })).toEqual(["in description", "in content"]);
    expect(await names({ query: "zebra", tags: ["a", "b"], match: "ALL" })).toEqual([
      "in description",
    ]);
    expect(await names({ query: "zebra", tags: ["none"] })).toEqual([]);
    expect(await names({ query: "zebra", tags: [] })).toHaveLength(3);
    expect(await names({ query: "zebra", language: "de" })).toEqual(["in description"]);
    expect(await names({ query: "zebra", formatType: "xml" })).toEqual(["zebra in name"]);
  });

  test("leaves the same without a query", async () => {
    expect(await names({ tags: ["a", "b"], match: "ANY" })).toEqual([
      "in description",
      "in content",
    ]);
    expect(await names({ tags: ["a", "b"], match: "ALL" })).toEqual(["in description"]);
    expect(await names({ tags: ["a"], language: "de" })).toEqual(["in description"]);
    expect(await names({ formatType: "xml" })).toEqual(["zebra in name"]);
    const tags = Array.from({ length: 100 }, (_, n) => n === 99 ? "b" : `no ${n}`);
    expect(await names({ tags })).toEqual(["in description"]);
  });

  test.each([null, "", " \t\n", "!!!", '""', '" - "'])(
    "without a word in it (%j), the filters say what there is, newest first",
    async (query) => {
      expect(await names({ query, tags: ["a"] })).toEqual(["in description", "in content"]);
      expect((await find({ query, tags: ["a"] })).nodes[0]?.rank).toBe(0);
    },
  );

  test("goes from page to page", async () => {
    const first = await find({ query: "zebra", first: 2 });
    expect([first.totalCount, first.pageInfo.hasNextPage]).toEqual([3, true]);
    const second = await find({ query: "zebra", first: 2, after: first.pageInfo.endCursor });
    expect([...first.nodes, ...second.nodes].map(({ prompt }) => prompt.name))
      .toEqual(["zebra in name", "in description", "in content"]);
    expect(second.pageInfo.hasNextPage).toBe(false);
  });

  test("follows a prompt that changes or goes", async () => {
    const id = await make({ name: "before", content: "okapi" });
    const change = (patch: object) =>
      graphqlData(gateway.url, {
        key,
        query:
          "mutation ($id: String!, $patch: PromptPatch!) { updatePrompt(input: { id: $id, patch: $patch }) { prompt { id } } }",
        variables: { id, patch },
      });
    await change({ content: "giraffe" });
    expect(await names("okapi")).toEqual([]);
    await change({ name: "after" });
    expect(await names("giraffe after")).toEqual(["after"]);
    await change({ description: "antelope" });
    expect(await names("antelope")).toEqual(["after"]);
    await graphqlData(gateway.url, {
      key,
      query: "mutation ($id: String!) { deletePrompt(input: { id: $id }) { clientMutationId } }",
      variables: { id },
    });
    expect(await names("giraffe")).toEqual([]);
  });

  test.each([
    ["a word in a tag of XML", "<narwhal>x</narwhal>", "narwhal"],
    ["a part of a path", "/usr/narval/x", "narval"],
    ["a part of a host", "see www.monodon.example", "monodon"],
    ["words with hyphens", "a state-of-the-shark", "state-of-the-shark"],
    ["one of them", "a state-of-the-skate", "skate"],
    ["a name of a variable", "{{user_whale}}", "whale"],
    ["a number with a sign", "at -4711 degrees", "4711"],
    ["words of other languages", "ÜBER den Ärger", "über ärger"],
    ["Cyrillic", "НОВЫЙ Год", "новый"],
    ["Chinese", "请用机器学习回答", "机器学习"],
    ["Japanese", "東京タワーへ行く", "タワー"],
    ["Thai", "ตอบเป็นภาษาไทย", "ภาษาไทย"],
    ["a phrase", "one two three four", '"two three"'],
    ["one of two", "the last quagga", "nowhere or quagga"],
    ["without a word", "a thylacine", "thylacine -quagga"],
    ["an emoji is nothing", "a dodo 🦤", "dodo 🦤"],
  ])("finds %s", async (name, content, query) => {
    await make({ name, content });
    expect(await names(query)).toEqual([name]);
  });

  test.each(['"three two"', "习机", "one -two three", "thyl"])(
    "does not find %s",
    async (query) => {
      expect(await names(query)).toEqual([]);
    },
  );

  test.each([
    "'",
    '"',
    "\\",
    "a & b | !c <-> d:*",
    "((((",
    ":*",
    "%_",
    "-",
    "--",
    "- -",
    "or or or",
    "or",
    "-or -or",
    "a\u0001b",
    "\u202e",
    "\ud83d\ude00",
    "x".repeat(1000),
    "a ".repeat(500),
    "-a ".repeat(333),
    '"a '.repeat(333),
    "或".repeat(1000),
  ])("takes a query of any form, such as %j", async (query) => {
    const { errors } = await graphql(gateway.url, {
      key,
      query: searchPrompts,
      variables: { query },
    });
    expect(errors).toBeUndefined();
  });

  test.each([
    ["a query of more than 1,000 characters", { query: "x".repeat(1001) }, /1,000 characters/],
    ["a query of 1 MB", { query: "x ".repeat(500_000) }, /1,000 characters/],
    ["a query with NUL", { query: "a\0b" }, /./],
    ["101 tags", { tags: Array.from({ length: 101 }, (_, n) => `${n}`) }, /at most 100/],
  ])("refuses %s", async (_, variables, message) => {
    const { data, errors } = await graphql(gateway.url, { key, query: searchPrompts, variables });
    expect(data?.["searchPrompts"] ?? null).toBeNull();
    expect(errors?.[0]?.extensions?.code).toBe("INVALID");
    expect(errors?.[0]?.message).toMatch(message);
  });

  test("needs prompts:read", async () => {
    const blind = await makeKey(database, ours, ["analyses:read"]);
    const { data, errors } = await graphql(gateway.url, {
      key: blind,
      query: searchPrompts,
      variables: { query: "zebra" },
    });
    expect(data).toEqual({ searchPrompts: null });
    expect(errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
  });
});

test("a prompt of any length is kept, and found by its beginning", async () => {
  const distinct = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => (from + n).toString(36)).join(" ");
  await make({
    name: "long",
    description: `begins ${distinct(1_000_000, 120_000)}`,
    content: `starts ${distinct(2_000_000, 120_000)} ends`,
  });
  // Short words of many bytes take the most place
  const rare = Array.from(
    { length: 130_000 },
    (_, n) => String.fromCodePoint(0x20000 + n % 40_000),
  );
  await make({ name: "wide", content: `开始 ${rare.join(" ")}` });
  await make({ name: "one word", content: "x".repeat(1_048_576) });
  expect(await names("begins starts")).toEqual(["long"]);
  expect(await names("ends")).toEqual([]);
  expect(await names("开始")).toEqual(["wide"]);
  expect(await names('"one word"')).toEqual(["one word"]);
});

describe("among many", () => {
  const seed = 42;
  const words = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "Äsche", "猫"];
  let everything: string;

  beforeAll(async () => {
    const random = makeRandom(seed);
    const organization = await makeOrganization(database);
    everything = await makeKey(database, organization, ["prompts:read"]);
    const prompts = Array.from({ length: 400 }, () => ({
      name: text(random, 1, 2),
      description: text(random, 0, 3),
      content: text(random, 1, 12),
      tags: words.filter(() => random() < 0.2),
      language: pick(random, ["de", "en", "auto"]),
    }));
    for (const { id } of [organization, ours]) {
      await database.query(
        `insert into core.prompts (organization_id, name, description, content, tags, language)
         select $1, p.name, p.description, p.content, p.tags, p.language
           from jsonb_to_recordset($2) as p (name text, description text, content text, tags jsonb, language text)`,
        [id, JSON.stringify(prompts)],
      );
    }
    await database.query("analyze app.prompt_search, core.prompts");
  });

  function text(random: Random, least: number, most: number): string {
    const count = least + Math.floor(random() * (most - least + 1));
    const separators = [" ", " ", ", ", "-", "/", "\n"];
    return Array.from({ length: count }, () => pick(random, words) + pick(random, separators))
      .join("");
  }

  /** A query, and what it means: a term is a list of words that follow each other. */
  function makeQuery(random: Random): { query: string; matches: (prompt: string[][]) => boolean } {
    const alternatives = Array.from(
      { length: random() < 0.3 ? 2 : 1 },
      () =>
        Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
          not: random() < 0.25,
          phrase: Array.from({ length: random() < 0.3 ? 2 : 1 }, () => pick(random, words)),
        })),
    );
    // In this syntax "or" binds less than the space
    const query = alternatives.map((terms) =>
      terms.map(({ not, phrase }) =>
        (not ? "-" : "") + (phrase.length > 1 ? `"${phrase.join(" ")}"` : phrase[0])
      ).join(" ")
    ).join(" or ");
    return {
      query,
      matches: (fields) =>
        alternatives.some((terms) =>
          terms.every(({ not, phrase }) => not !== has(fields.flat(), phrase))
        ),
    };
  }

  function has(all: string[], phrase: string[]): boolean {
    return all.some((_, n) => phrase.every((word, m) => all[n + m] === word.toLowerCase()));
  }

  test(`a search finds what a reader of all prompts finds, and no more (seed ${seed})`, async () => {
    const random = makeRandom(seed + 1);
    const all = await asMember(database, everything, async (client) =>
      (await client.query<
        {
          id: string;
          name: string;
          description: string;
          content: string;
          tags: string[];
          language: string;
        }
      >("select id, name, description, content, tags, language from core.prompts")).rows);
    expect(all).toHaveLength(400);
    const read = all.map((prompt) => ({
      ...prompt,
      fields: [prompt.name, prompt.description, prompt.content].map((field) =>
        (field.match(/\p{L}+/gu) ?? []).flatMap((word) => /猫/.test(word) ? [...word] : [word])
          .map((word) => word.toLowerCase())
      ),
    }));
    let found = 0;
    for (let n = 0; n < 150; n++) {
      const { query, matches } = makeQuery(random);
      const tags = random() < 0.3 ? [pick(random, words), pick(random, words)] : null;
      const match = pick(random, ["ANY", "ALL"]);
      const language = random() < 0.2 ? pick(random, ["de", "en"]) : null;
      const rows = await asMember(
        database,
        everything,
        async (client) =>
          (await client.query<{ prompt_id: string; rank: number }>(
            "select prompt_id, rank from core.search_prompts($1, $2, $3::core.tag_match, $4)",
            [query, tags, match, language],
          )).rows,
      );
      const expected = read.filter((prompt) =>
        matches(prompt.fields) &&
        (tags === null ||
          tags[match === "ALL" ? "every" : "some"]((tag) => prompt.tags.includes(tag))) &&
        (language === null || prompt.language === language)
      );
      expect([query, tags, rows.map((row) => row.prompt_id).toSorted()])
        .toEqual([query, tags, expected.map(({ id }) => id).toSorted()]);
      const ranks = rows.map(({ rank }) => rank);
      expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
      found += rows.length;
    }
    expect(found).toBeGreaterThan(1000);
  });

  test("the order is that of a plain scan by the owner", async () => {
    const rows = await asMember(
      database,
      everything,
      async (client) =>
        (await client.query<{ prompt_id: string }>(
          "select prompt_id from core.search_prompts('cat or dog')",
        )).rows,
    );
    const plain = await database.query<{ id: string }>(
      `select p.id from core.prompts p
        where p.organization_id = (select organization_id from ops.api_key where key_hash = encode(sha256($1::bytea), 'hex'))
          and app.prompt_document(p.name, p.description, p.content) @@ 'cat | dog'::tsquery
        order by ts_rank(app.prompt_document(p.name, p.description, p.content), 'cat | dog'::tsquery, 1) desc,
                 p.created_at desc, p.id desc`,
      [everything],
    );
    expect(plain.length).toBeGreaterThan(100);
    expect(rows.map((row) => row.prompt_id)).toEqual(plain.map(({ id }) => id));
  });
});
