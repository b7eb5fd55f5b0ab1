import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { isLinting, WHEN } from "../linters/linter.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

/** A client that npm installed into a folder of its own, with the configuration that docs/clients.md has. */
export interface StockClient {
  /** Whether npm could install it. */
  isHere: boolean;
  /** For the name of the test: why it is skipped, if it is. */
  note: string;
  /** Runs a program of the package; answers its output. */
  npx(...args: string[]): Promise<string>;
  /** Runs the program of test/clients/programs in the folder; answers what it printed, as JSON. */
  runProgram(...flags: string[]): Promise<unknown>;
}

const page = readFileSync(join(repositoryRoot, "docs/clients.md"), "utf8");
const gatewayInDocs = "http://127.0.0.1:5678";

/** What every program finds; it does the same with each client. */
export const expected = {
  slug: "studio",
  name: "Greeting 2",
  pages: [["Greeting 1", "Greeting 2"], ["Greeting 3"]],
  code: "LIMIT",
};

/**
 * Installs what a section of docs/clients.md says, and gives the test file a gateway with an empty
 * organization. Call it at the top of the file.
 *
 * @param section its heading
 * @param program its name in test/clients/programs, and where it goes in the folder
 */
export async function withStockClient(
  section: string,
  program: { file: string; as: string },
): Promise<StockClient> {
  const start = page.indexOf(`\n### ${section}\n`);
  if (start === -1) throw new Error(`docs/clients.md has no section ${section}`);
  const [part = ""] = page.slice(start + 1).split(/\n#{1,3} /, 1);
  const [, packages = ""] = /^npm install (.+)$/m.exec(part) ?? [];
  const files = [...part.matchAll(/^`([\w.-]+)`:\n\n```\w+\n([^]*?)^```$/gm)];
  const database = withTestDatabase();
  const gateway = withGateway(database);
  const folder = await mkdtemp(join(tmpdir(), "curestry-stock-client-"));
  let key = "";
  afterAll(() => rm(folder, { recursive: true }));

  async function run(command: string, args: string[]): Promise<string> {
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, NO_COLOR: "1", CURESTRY_KEY: key },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((resolve, reject) =>
      void child.on("error", reject).on("close", resolve)
    );
    const [code, output, errors] = await Promise.all([
      ended,
      text(child.stdout),
      text(child.stderr),
    ]);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${code}\n${output}${errors}`);
    return output;
  }

  async function write(name: string, text: string): Promise<void> {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text.replaceAll(gatewayInDocs, gateway.url));
  }

  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"];
  // No npm, no registry, not this version there: none of that is ours
  const isHere = isLinting &&
    await run("npm", [...install, ...packages.split(" ")]).then(() => true, () => false);

  beforeAll(async () => {
    if (!isHere) return;
    const organization = await makeOrganization(database, { slug: expected.slug });
    key = await makeKey(database, organization, ["prompts:read", "prompts:write"]);
    await copyFile(join(repositoryRoot, "schema.graphql"), join(folder, "schema.graphql"));
    for (const [, name = "", content = ""] of files) await write(name, content);
    const source = join(repositoryRoot, "test/clients/programs", program.file);
    await write(program.as, await readFile(source, "utf8"));
  });

  return {
    isHere,
    note: isHere
      ? ""
      : ` (skipped: ${isLinting ? "npm cannot install it here" : `it is run ${WHEN}`})`,
    npx: (...args) => run("npx", args),
    async runProgram(...flags) {
      const output = await run(process.execPath, ["run", "-A", "-q", ...flags, program.as]);
      return JSON.parse(output);
    },
  };
}
