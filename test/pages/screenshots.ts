import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import type { Page } from "playwright-core";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { startBrowser } from "../helpers/browser.ts";
import { makeDataDir, removeDataDir } from "../start/data_dir.ts";
import { runProcess, stopProcesses } from "../start/run_process.ts";

/** `deno task screenshots`: the pictures of the README, of an installation that has the demo. */
async function main(): Promise<void> {
  const dataDir = await makeDataDir();
  const demo = runProcess(["src/bin/start.ts", "--demo"], {
    CURESTRY_DATA_DIR: dataDir,
    CURESTRY_DATABASE_PORT: "0",
    PORT: "0",
  });
  try {
    const [, url = ""] = await demo.prints(/^Curestry is ready on (\S+)$/m);
    const [, key = ""] = await demo.prints(/An API key +(cur_\w+)$/m);
    const browser = await startBrowser();
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
      await showExplorer(page, url, key);
      await take(page, "explorer");
      await showDocs(page, url);
      await take(page, "docs");
    } finally {
      await browser.close();
    }
  } finally {
    await stopProcesses();
    await removeDataDir(dataDir);
  }
}

async function showExplorer(page: Page, url: string, key: string): Promise<void> {
  const label = "The newest analyses, with what the judges gave";
  await page.goto(`${url}/ruru`);
  await page.fill("#credential", key);
  await page.locator("#examples option").getByText(label).waitFor({ state: "attached" });
  await page.selectOption("#examples", { label });
  await page.locator(".graphiql-query-editor", { hasText: "NewestAnalyses" }).waitFor();
  await page.getByLabel(/^Execute query/).click();
  await page.locator(".result-window", { hasText: '"judgeScores"' }).waitFor();
  await page.locator("#viewer").click();
}

async function showDocs(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/docs`);
  await page.fill("#search", "highEntropy");
  await page.locator("#found a").first().click();
}

async function take(page: Page, name: string): Promise<void> {
  const path = join(repositoryRoot, "docs/images", `${name}.png`);
  await page.screenshot({ path, animations: "disabled", caret: "hide" });
  console.log(`docs/images/${name}.png: ${(await readFile(path)).length} bytes`);
}

if (import.meta.main) await main().then(() => process.exit(0));
