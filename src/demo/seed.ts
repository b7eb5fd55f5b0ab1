import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import { withClient } from "../database/open_client.ts";
import { scramVerifier } from "../database/set_passwords.ts";
import { loginUrl, passwordOf } from "../database/urls.ts";
import type { Log } from "../shared/log.ts";
import type { Settings } from "../shared/settings.ts";
import { makeHistory } from "./history.ts";

/** What the demo needs. */
export interface DemoOptions {
  /** The administrator's connection string. */
  adminUrl: string;
  /** The gateway's address, without a path: the history is recorded through the API. */
  gatewayUrl: string;
  settings: Settings;
  log: Log;
}

/** What a newcomer needs to try it; kept in `demo.json` of the data directory (mode 0600). */
interface DemoAccess {
  key: string;
  analystUrl: string;
}

const demoSlug = "demo";
const analystLogin = "demo_analyst";
const keyScopes = [
  "prompts:read",
  "prompts:write",
  "analyses:read",
  "analyses:write",
  "rubrics:read",
  "rubrics:write",
  "features:write",
  "marts:read",
  "audit:read",
];
/** How many items go in one call. */
const itemsPerCall = 200;

/**
 * Fills the organization `demo` with prompts, analyses and 90 days of history, unless it is there, and
 * answers what to print: an API key, an analyst's connection string, queries to try.
 *
 * @throws {Error} if the API refuses what it is sent
 */
export async function seedDemo(options: DemoOptions): Promise<string> {
  const { adminUrl, gatewayUrl, settings, log } = options;
  const file = join(settings.dataDir, "demo.json");
  return await withClient(adminUrl, async (client) => {
    await client.query("set role curestry_owner");
    const isNew = await makeOrganization(client);
    let access = isNew ? null : await readAccess(file, adminUrl, gatewayUrl);
    if (access === null) {
      access = await giveAccess(client, adminUrl);
      await writeFile(file, `${JSON.stringify(access, null, 2)}\n`, { mode: 0o600 });
    }
    if (await isEmpty(gatewayUrl, access.key)) {
      const started = performance.now();
      await record(gatewayUrl, access.key);
      await client.query("select app.mart_refresh_all()");
      log.info({ milliseconds: Math.round(performance.now() - started) }, "Filled the demo");
    }
    return describe(gatewayUrl, access);
  });
}

async function makeOrganization(client: Client): Promise<boolean> {
  try {
    await client.query("select app.organization_create($1, 'Demo', 'demo@curestry.example')", [
      demoSlug,
    ]);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "CU005") throw error;
    return false;
  }
}

/** The access that was given before, if it still works. */
async function readAccess(
  file: string,
  adminUrl: string,
  gatewayUrl: string,
): Promise<DemoAccess | null> {
  try {
    const { key, analystUrl }: DemoAccess = JSON.parse(await readFile(file, "utf8"));
    // The database may have moved to another port
    const access = { key, analystUrl: loginUrl(adminUrl, analystLogin, passwordOf(analystUrl)) };
    await withClient(access.analystUrl, (client) => client.query("select"), { retryForMs: 0 });
    await send(gatewayUrl, access.key, "{ viewer { apiKeyId } }");
    return access;
  } catch {
    return null;
  }
}

async function giveAccess(client: Client, adminUrl: string): Promise<DemoAccess> {
  const { rows: [made] } = await client.query<{ key: string }>(
    "select key from app.api_key_create(app.organization_by_slug($1), null, 'Demo', $2, null)",
    [demoSlug, keyScopes],
  );
  if (!made) throw new Error("The demo's API key was not made");
  const password = randomBytes(18).toString("hex");
  const verifier = await scramVerifier(password);
  // Making a login takes the administrator's own rights
  await client.query("reset role");
  const { rowCount } = await client.query("select from pg_catalog.pg_roles where rolname = $1", [
    analystLogin,
  ]);
  if (rowCount) {
    await client.query(`alter role ${analystLogin} password ${client.escapeLiteral(verifier)}`);
    await client.query("select app.analyst_grant($1, app.organization_by_slug($2))", [
      analystLogin,
      demoSlug,
    ]);
  } else {
    await client.query("select app.analyst_create($1, $2, $3)", [analystLogin, verifier, [
      demoSlug,
    ]]);
  }
  await client.query("set role curestry_owner");
  return { key: made.key, analystUrl: loginUrl(adminUrl, analystLogin, password) };
}

async function isEmpty(url: string, key: string): Promise<boolean> {
  const { analysisRuns } = await send<{ analysisRuns: { totalCount: number } }>(
    url,
    key,
    "{ analysisRuns { totalCount } }",
  );
  return analysisRuns.totalCount === 0;
}

/** Through the API, as any client would. */
async function record(url: string, key: string): Promise<void> {
  const history = makeHistory(Date.now());
  const { createJudgeRubric } = await send<
    { createJudgeRubric: { judgeRubric: { id: string } } }
  >(
    url,
    key,
    `mutation ($name: String!) { createJudgeRubric(input: { judgeRubric: { name: $name } }) { judgeRubric { id } } }`,
    { name: history.rubric.name },
  );
  for (const criterion of history.rubric.criteria) {
    await send(
      url,
      key,
      `mutation ($judgeCriterion: JudgeCriterionInput!) { createJudgeCriterion(input: { judgeCriterion: $judgeCriterion }) { clientMutationId } }`,
      { judgeCriterion: { rubricId: createJudgeRubric.judgeRubric.id, ...criterion } },
    );
  }
  const promptIds: string[] = [];
  for (const prompt of history.prompts) {
    const { createPrompt } = await send<{ createPrompt: { prompt: { id: string } } }>(
      url,
      key,
      `mutation ($prompt: PromptInput!) { createPrompt(input: { prompt: $prompt }) { prompt { id } } }`,
      { prompt },
    );
    promptIds.push(createPrompt.prompt.id);
  }
  for (let at = 0; at < history.analyses.length; at += itemsPerCall) {
    const items = history.analyses.slice(at, at + itemsPerCall).map(({ prompt, ...item }) => ({
      promptId: promptIds[prompt],
      ...item,
    }));
    const { recordAnalyses: { result } } = await send<
      { recordAnalyses: { result: { outcome: string; message: string | null }[] } }
    >(
      url,
      key,
      `mutation ($items: [AnalysisItemInput!]!) { recordAnalyses(input: { items: $items }) { result { outcome message } } }`,
      { items },
    );
    const bad = result.find(({ outcome }) => outcome !== "inserted");
    if (bad) throw new Error(`The demo's analysis is ${bad.outcome}: ${bad.message}`);
  }
  await send(
    url,
    key,
    `mutation ($events: [FeatureEventItemInput!]!) { recordFeatureEvents(input: { events: $events }) { clientMutationId } }`,
    { events: history.events },
  );
}

async function send<D>(
  url: string,
  key: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<D> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json() as { data?: D; errors?: unknown };
  if (errors || !data) throw new Error(`The API refused the demo: ${JSON.stringify(errors)}`);
  return data;
}

function describe(url: string, { key, analystUrl }: DemoAccess): string {
  return `The demo organization has 25 prompts and 90 days of analyses.

  An API key          ${key}
  An analyst          ${analystUrl}

Try:

  # the newest analyses, with their prompts and what the judges gave
  curl -s ${url}/graphql -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"query":"{ analysisRuns(first: 5, orderBy: OCCURRED_AT_DESC) { totalCount nodes { id status prompt { name } judgeScores { nodes { score criterion { key } } } } } }"}'

  # the average score of each criterion
  curl -s ${url}/graphql -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"query":"{ judgeCriteria { nodes { key judgeScores { aggregates { average { score } } } } } }"}'

  # the last days, in SQL
  psql "${analystUrl}" -c 'select * from mart.analysis_daily order by day desc limit 5'`;
}
