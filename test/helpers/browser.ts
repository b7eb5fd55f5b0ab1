import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll } from "vitest";

/** Where this machine has Chromium, null if it has not. */
export const chromiumPath: string | null = findProgram(["chromium", "chromium-browser"]);

function findProgram(names: readonly string[]): string | null {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = folders.flatMap((folder) => names.map((name) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }) ?? null;
}

/** Starts Chromium without a window. */
export async function startBrowser(): Promise<Browser> {
  if (chromiumPath === null) throw new Error("Chromium is not installed");
  return await chromium.launch({
    executablePath: chromiumPath,
    // Chromium refuses to run in its sandbox as root
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

/** Gives this test file a browser. Call it at the top of the file. */
export function withBrowser(): { readonly browser: Browser } {
  let browser: Browser | null = null;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());
  return {
    get browser() {
      if (browser === null) throw new Error("The browser runs only inside tests");
      return browser;
    },
  };
}
