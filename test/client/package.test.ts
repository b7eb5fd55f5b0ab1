import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
const client = join(repositoryRoot, "src/client");
let folder = "";
let key = "";

/** Runs a program to its end and answers its output. */
async function run(program: string, args: string[], cwd: string): Promise<string> {
  const child = spawn(program, args, { cwd, env: { ...process.env, NO_COLOR: "1", KEY: key } });
  const ended = new Promise<number | null>((resolve, reject) =>
    void child.on("error", reject).on("close", resolve)
  );
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${code}\n${output}${errors}`);
  return output;
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

/** What a program of a user does: JavaScript that prints, or answers, what it found. */
function programOf(url: string): string {
  return `
import { createClient, CurestryError, documents } from "@curestry/client";
const client = createClient({ url: ${JSON.stringify(url)}, credential: ${JSON.stringify(key)} });
const { createPrompt } = await client.run(documents.createPrompt, { prompt: { name: "Greeting", content: "Say hello" } });
const recorder = client.recorder({ maxBatch: 10 });
const outcomes = Array.from({ length: 25 }, () => recorder.record({ promptId: createPrompt.prompt.id }));
await recorder.close();
const recorded = (await Promise.all(outcomes)).filter(({ outcome }) => outcome === "inserted").length;
let rows = 0;
const filter = { promptId: { equalTo: createPrompt.prompt.id } };
for await (const { status } of client.rows(documents.analysisRuns, { first: 10, filter })) if (status === "succeeded") rows++;
const error = await client.run(documents.prompts, { first: 1000 }).catch((error) => error);
const found = { recorded, rows, refused: error instanceof CurestryError && error.code };
`;
}
const expected = { recorded: 25, rows: 25, refused: "LIMIT" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "curestry-client-"));
  const organization = await makeOrganization(database);
  key = await makeKey(database, organization, [
    ...["prompts:read", "prompts:write", "analyses:read", "analyses:write"],
  ]);
  const archive = join(folder, "client.tgz");
  await run(process.execPath, ["pack", "-q", "--allow-dirty", "-o", archive], client);
  await run("tar", ["-xzf", archive, "-C", folder], folder);
  await mkdir(join(folder, "node_modules/@curestry"), { recursive: true });
  await run("mv", ["package", "node_modules/@curestry/client"], folder);
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(
    join(folder, "program.js"),
    `${programOf(gateway.url)}\nconsole.log(JSON.stringify(found));\n`,
  );
});
afterAll(() => rm(folder, { recursive: true }));

test("the package has the version of the gateway, types, and no dependency", async () => {
  const read = async (file: string) => JSON.parse(await readFile(file, "utf8"));
  const packed = await read(join(folder, "node_modules/@curestry/client/package.json"));
  const { version } = await read(join(repositoryRoot, "package.json"));
  expect(packed).toMatchObject({ name: "@curestry/client", version, type: "module" });
  expect(packed.dependencies ?? {}).toEqual({});
  expect(existsSync(join(folder, "node_modules/@curestry/client", packed.types))).toBe(true);
});

test.skipIf(!isInstalled("node"))("it works in Node.js (skipped where there is none)", async () => {
  expect(JSON.parse(await run("node", ["program.js"], folder))).toEqual(expected);
});

test("it works in Deno", async () => {
  const output = await run(process.execPath, ["run", "--allow-net", "program.js"], folder);
  expect(JSON.parse(output)).toEqual(expected);
});

test("its types tell what is right from what is wrong", async () => {
  await writeFile(
    join(folder, "program.ts"),
    `import { createClient, documents } from "@curestry/client";
const client = createClient({ url: "http://127.0.0.1" });
export const { viewer } = await client.run(documents.viewer);
const { prompt } = await client.run(documents.prompt, { id: "a" });
export const name: string | undefined = prompt?.name;
await client.recorder().record({ status: "succeeded", result: null });
for await (const { tags } of client.rows(documents.prompts)) tags satisfies readonly string[];
// @ts-expect-error: a variable is missing
await client.run(documents.prompt);
// @ts-expect-error: a variable has the wrong type
await client.run(documents.prompt, { id: 1 });
// @ts-expect-error: the document asks for no such field
export const { slug } = prompt!;
// @ts-expect-error: a word that the enum does not have
await client.recorder().record({ status: "done" });
`,
  );
  await run(process.execPath, ["check", "program.ts"], folder);
});

/** The examples of a page that use the client. */
async function examplesOf(page: string): Promise<string[]> {
  const text = await readFile(join(repositoryRoot, page), "utf8");
  return [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code = ""]) => code)
    .filter((code) =>
      /@curestry\/client|\bclient\.|\brecorder\./.test(code) && !code.includes("export")
    );
}

test("the quick start of the README has ten lines, and records an analysis", async () => {
  const [example = ""] = await examplesOf("README.md");
  expect(example.trim().split("\n")).toHaveLength(10);
  await writeFile(
    join(folder, "quick_start.ts"),
    example.replace("http://127.0.0.1:5678", gateway.url),
  );
  const flags = ["--check", "-q", "--allow-net", "--allow-env=KEY"];
  const output = await run(process.execPath, ["run", ...flags, "quick_start.ts"], folder);
  expect(output).toMatch(/^inserted$/m);
  expect(output).toMatch(/^succeeded \d{4}-/m);
});

test("the examples of docs/clients.md are right by their types", async () => {
  const [first = "", ...others] = await examplesOf("docs/clients.md");
  expect(others).not.toHaveLength(0);
  const given =
    "declare const key: string, id: string, source: AsyncIterable<AnalysisItemInput>;\n" +
    "declare function report(...what: unknown[]): void;\n" +
    'import type { AnalysisItemInput } from "@curestry/client";\n';
  await writeFile(join(folder, "examples.ts"), [given, first, ...others].join("\n"));
  await run(process.execPath, ["check", "examples.ts"], folder);
});

const browser = ["chromium", "chromium-browser", "google-chrome"].find(isInstalled);
test.skipIf(browser === undefined)(
  "it works in a browser, from another origin (skipped where there is none)",
  async () => {
    const found = Promise.withResolvers<unknown>();
    const page = createServer(async (request, response) => {
      const { pathname } = new URL(request.url!, "http://page");
      if (pathname === "/found") {
        found.resolve(JSON.parse(await text(request)));
        return response.end();
      }
      if (pathname.startsWith("/client/")) {
        const file = join(folder, "node_modules/@curestry", pathname);
        return response.writeHead(200, { "content-type": "text/javascript" })
          .end(await readFile(file));
      }
      const map = JSON.stringify({ imports: { "@curestry/client": "/client/mod.js" } });
      response.writeHead(200, { "content-type": "text/html" }).end(
        `<script type="importmap">${map}</script><script type="module">
         const tell = (body) => fetch("/found", { method: "POST", body: JSON.stringify(body) });
         addEventListener("unhandledrejection", ({ reason }) => tell(String(reason)));
         const program = async () => { ${
          programOf(abroad.url).replace(
            /^import (.*) from (".*");$/m,
            "const $1 = await import($2);",
          )
        }
         await tell(found); };
         program().catch((error) => tell(String(error)));</script>`,
      );
    });
    await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
    const abroad = await startGateway(database, { corsOrigins: [origin] });
    const child = spawn(browser!, [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
      ...["--remote-debugging-port=0", `--user-data-dir=${join(folder, "browser")}`, origin],
    ]);
    const ended = new Promise((resolve) => child.on("close", resolve));
    try {
      const died = ended.then(() => Promise.reject(new Error("The browser ended")));
      expect(await Promise.race([found.promise, died])).toEqual(expected);
    } finally {
      child.kill("SIGKILL");
      await ended;
      await abroad.stop();
      page.closeAllConnections();
      page.close();
    }
  },
);
