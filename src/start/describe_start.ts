import { relative } from "node:path";
import process from "node:process";
import { redactUrl } from "../database/urls.ts";
import { repositoryRoot, type Settings } from "../shared/settings.ts";

/**
 * The first lines that a newcomer sees: that it runs, and what to try next.
 *
 * @param url the gateway's
 */
export function describeStart(settings: Settings, url: string): string {
  const task = process.env.npm_command === "exec" ? "npx -y deno task" : "deno task";
  const directory = relative(repositoryRoot, settings.dataDir);
  const shown = directory.startsWith("..") ? settings.dataDir : directory;
  return `Curestry is ready on ${url}

  The API explorer    ${url}/ruru
  Its documentation   ${url}/docs
  An organization     ${task} curestry organization create --slug acme --name Acme --owner you@example.com
  An API key for it   ${task} curestry api-key create --organization acme --name first --scope prompts:read --scope prompts:write
  The database        ${
    settings.databaseUrl ? redactUrl(settings.databaseUrl) : `psql "$(cat ${shown}/superuser-url)"`
  }
  Stop                Ctrl-C`;
}
