import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import { createClient, type CurestryClient, documents } from "../client/mod.ts";
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
    const api = createClient({ url: gatewayUrl, credential: access.key });
    if (await isEmpty(api)) {
      const started = performance.now();
      await record(api);
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
    await createClient({ url: gatewayUrl, credential: key }).run(documents.viewer);
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

async function isEmpty(api: CurestryClient): Promise<boolean> {
  const { analysisRuns } = await api.run(documents.analysisRuns, { first: 1 });
  return analysisRuns?.totalCount === 0;
}

/** Through the API, as any client would. */
async function record(api: CurestryClient): Promise<void> {
  const history = makeHistory(Date.now());
  const { createJudgeRubric } = await api.run(documents.createJudgeRubric, {
    judgeRubric: { name: history.rubric.name },
  });
  const rubricId = made(createJudgeRubric?.judgeRubric).id;
  for (const criterion of history.rubric.criteria) {
    await api.run(documents.createJudgeCriterion, { judgeCriterion: { rubricId, ...criterion } });
  }
  const promptIds: string[] = [];
  for (const prompt of history.prompts) {
    const { createPrompt } = await api.run(documents.createPrompt, { prompt });
    promptIds.push(made(createPrompt?.prompt).id);
  }
  const recorder = api.recorder({ maxBatch: 200 });
  const outcomes = await Promise.all(
    history.analyses.map(({ prompt, ...item }) =>
      recorder.record({ promptId: promptIds[prompt]!, ...item })
    ),
  );
  const bad = outcomes.find(({ outcome }) => outcome === "conflict" || outcome === "invalid");
  if (bad) throw new Error(`The demo's analysis is ${bad.outcome}: ${bad.message}`);
  await api.run(documents.recordFeatureEvents, { events: history.events });
}

/** What was made; null only if something is wrong. */
function made<T>(row: T | null | undefined): T {
  if (row == null) throw new Error("The API made the demo's row and did not answer it");
  return row;
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
