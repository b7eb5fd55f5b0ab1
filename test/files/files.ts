import type { TestDatabase } from "../helpers/database.ts";

/** How a file is asked for. */
export interface FileRequestOptions {
  key?: string;
  token?: string;
  organization?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: BodyInit;
}

/** Asks the gateway for a file, or sends it one. */
export async function askForFile(
  url: string,
  path: string,
  { key, token, organization, method, headers, body }: FileRequestOptions,
): Promise<Response> {
  const credential = key ?? token;
  return await fetch(`${url}${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
      ...(organization === undefined ? {} : { "x-curestry-organization": organization }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
}

/** The whole file. @throws if it is refused */
export async function exportFile(
  url: string,
  path: string,
  options: FileRequestOptions,
): Promise<string> {
  const response = await askForFile(url, path, options);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return text;
}

/** What is said of an import: of its lines, and in the end. */
export interface ImportAnswer {
  status: number;
  lines: { line: number; outcome: string; id?: string; message?: string }[];
  last: {
    error?: { code: string; message: string; afterLine: number };
    total: { read: number; inserted: number; unchanged: number; refused: number; dryRun: boolean };
  };
}

/** Sends a file. @throws if it is refused as a whole */
export async function importFile(
  url: string,
  path: string,
  options: FileRequestOptions & { body: BodyInit },
): Promise<ImportAnswer> {
  const response = await askForFile(url, path, options);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  const said = readLines(text);
  const last = said.pop() as unknown as ImportAnswer["last"];
  return { status: response.status, lines: said as unknown as ImportAnswer["lines"], last };
}

/** The values of JSON Lines. */
export function readLines<Row = Record<string, unknown>>(text: string): Row[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Writes metrics of one analysis, far more than anybody would send, and answers how many bytes of text they have. */
export async function fillMetrics(
  database: TestDatabase,
  organization: { id: string },
  count: number,
  text: string | null = null,
): Promise<void> {
  await database.query(
    `with run as (
       insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
       values ($1, 'succeeded', '2026-01-01Z', '2026-01-01Z', 'filled') returning id
     )
     insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, occurred_at)
     select $1, run.id, 'metric ' || n, n, $3::text, timestamptz '2026-01-01Z' + n * interval '1 second'
       from run, generate_series(1, $2::int) as n`,
    [organization.id, count, text],
  );
}
