import type { BrowserContext, Page } from "playwright-core";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromiumPath, withBrowser } from "../helpers/browser.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { createPrompt, recordRun } from "../helpers/live.ts";
import { signIn } from "../helpers/token.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** The pages of the gateway, as people see them. */
describe.skipIf(chromiumPath === null)(
  "in a real browser (skipped without chromium: apt-get install chromium)",
  () => {
    const database = withTestDatabase();
    const gateway = withGateway(database);
    const started = withBrowser();
    let studio: TestOrganization;
    let key = "";
    let writer = "";
    let context: BrowserContext;
    let page: Page;
    const complaints: string[] = [];

    beforeAll(async () => {
      studio = await makeOrganization(database, { slug: "studio" });
      key = await makeKey(database, studio, ["prompts:read"]);
      writer = await makeKey(database, studio, ["prompts:read", "prompts:write"]);
      await createPrompt(gateway.url, writer, "Greeting");
    });

    beforeEach(async () => {
      context = await started.browser.newContext();
      page = await openTab();
    });
    afterEach(async () => {
      await context.close();
      expect(complaints.splice(0)).toEqual([]);
    });

    /** A tab, whose errors and whose requests to elsewhere are complaints. */
    async function openTab(): Promise<Page> {
      const tab = await context.newPage();
      tab.setDefaultTimeout(120_000);
      tab.on("pageerror", (error) => complaints.push(String(error)));
      tab.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      tab.on("request", (request) => {
        const url = request.url();
        if (!url.startsWith(`${gateway.url}/`) && !url.startsWith("data:")) complaints.push(url);
      });
      return tab;
    }

    async function openExplorer(): Promise<void> {
      await page.goto(`${gateway.url}/ruru`);
      await page.locator(".graphiql-query-editor .monaco-editor").waitFor();
    }

    async function enterKey(text: string): Promise<void> {
      await page.fill("#credential", text);
      await page.locator("#viewer", { hasText: "in studio" }).waitFor();
    }

    /** The fields of queries that the explorer's own documentation knows. */
    async function openFields(): Promise<void> {
      await page.getByLabel("Show Documentation Explorer").click();
      await page.locator(".graphiql-doc-explorer-content").getByText("Query", { exact: true })
        .click();
    }

    test("the home page leads to what is there", async () => {
      await page.goto(gateway.url);
      expect(await page.textContent("h1")).toBe("Curestry");
      const links = await page.locator("a").evaluateAll((all) =>
        all.map((link) => String(link.getAttribute("href")))
      );
      expect(links).toEqual(expect.arrayContaining(["ruru", "docs", "health"]));
      for (const link of links) {
        const answer = await fetch(new URL(link, gateway.url));
        await answer.body?.cancel();
        // Without a worker, this installation is not healthy, and says so
        expect([link, answer.status]).toEqual([link, link === "health" ? answer.status : 200]);
        expect(answer.status).not.toBe(404);
      }
      await page.getByText("API documentation").click();
      expect(await page.title()).toBe("Curestry: API documentation");
    });

    test("the explorer has the whole schema as soon as a key is entered, and runs its examples", async () => {
      await openExplorer();
      await openFields();
      const fields = page.locator(".graphiql-doc-explorer-content");
      await fields.getByText("viewer", { exact: true }).waitFor();
      expect(await fields.getByText("prompts", { exact: true }).count()).toBe(0);

      await enterKey(key);
      await fields.getByText("Query", { exact: true }).click();
      await fields.getByText("prompts", { exact: true }).waitFor();

      await page.selectOption("#examples", { label: "The newest prompts" });
      await page.locator(".graphiql-query-editor", { hasText: "NewestPrompts" }).waitFor();
      await page.getByLabel(/^Execute query/).click();
      await page.locator(".result-window", { hasText: '"Greeting"' }).waitFor();
    });

    test("the explorer offers what the key may do", async () => {
      await openExplorer();
      expect(await page.isDisabled("#examples")).toBe(true);
      await enterKey(key);
      const offered = page.locator("#examples option");
      await offered.getByText("The newest prompts").waitFor({ state: "attached" });
      expect(await offered.allTextContents()).toEqual([
        "3 that this key may run",
        "Who asks, and what they may do",
        "The newest prompts",
        "Prompts by their text",
      ]);
      await page.fill("#credential", writer);
      await offered.getByText("Write a prompt").waitFor({ state: "attached" });
      await page.fill("#credential", "");
      await page.locator("#examples:disabled").waitFor();
    });

    test("the explorer takes a session token, and the organization that it is for", async () => {
      const { token } = await signIn(database, studio.ownerEmail);
      await openExplorer();
      await page.fill("#credential", token);
      await page.fill("#organization", "studio");
      await page.locator("#viewer", { hasText: "owner, in studio" }).waitFor();
      await page.selectOption("#examples", { label: "The members, and their roles" });
      await page.locator(".graphiql-query-editor", { hasText: "Members" }).waitFor();
      await page.getByLabel(/^Execute query/).click();
      await page.locator(".result-window", { hasText: studio.ownerEmail }).waitFor();
    });

    test("the explorer follows a subscription", async () => {
      await openExplorer();
      await enterKey(await makeKey(database, studio, ["analyses:read"]));
      await page.locator("#examples option").getByText("Follow").waitFor({ state: "attached" });
      await page.selectOption("#examples", { label: "Follow the analyses, as they change" });
      await page.locator(".graphiql-query-editor", { hasText: "FollowAnalyses" }).waitFor();
      await page.getByLabel(/^Execute query/).click();
      await page.locator(".result-window", { hasText: '"READY"' }).waitFor();
      const id = await recordRun(database, studio);
      await page.locator(".result-window", { hasText: id }).waitFor();
    });

    test("the explorer keeps key and queries in its tab, over a reload, and nothing beyond it", async () => {
      await openExplorer();
      await enterKey(key);
      await page.selectOption("#examples", { label: "Prompts by their text" });
      await page.locator(".graphiql-query-editor", { hasText: "SearchPrompts" }).waitFor();
      await page.getByLabel(/^Execute query/).click();
      await page.locator(".result-window", { hasText: '"searchPrompts"' }).waitFor();
      // It stores its tabs a moment later
      await expect.poll(() => page.evaluate(() => sessionStorage.getItem("graphiql:tabState")))
        .toContain("SearchPrompts");
      await page.reload();
      await page.locator("#viewer", { hasText: "in studio" }).waitFor();
      await page.locator(".graphiql-query-editor", { hasText: "SearchPrompts" }).waitFor();
      expect(await page.inputValue("#credential")).toBe(key);

      await page.close();
      expect(await context.storageState({ indexedDB: true })).toEqual({ cookies: [], origins: [] });
      page = await openTab();
      await openExplorer();
      expect(await page.inputValue("#credential")).toBe("");
      expect(await page.locator(".graphiql-query-editor").textContent()).not
        .toContain("SearchPrompts");
    });

    test("the documentation finds a field, by its name and by what is said of it, and leads to its type", async () => {
      await page.goto(`${gateway.url}/docs`);
      await page.fill("#search", "recordAnalyses");
      const found = page.locator("#found a");
      expect(await found.first().textContent()).toBe("recordAnalyses");
      await found.first().click();
      const section = page.locator("section:target");
      expect(await section.locator("h3").textContent()).toBe("recordAnalyses");
      await section.getByText("RecordAnalysesInput").click();
      expect(await page.locator("section:target h3").textContent()).toBe("RecordAnalysesInput");

      await page.fill("#search", "call can be repeated");
      expect(await found.allTextContents()).toContain("AnalysisItemInput.idempotencyKey");
      await page.fill("#search", "no such word");
      expect(await found.count()).toBe(0);
    });

    test("the documentation works from a file, without a server", async () => {
      const html = await (await fetch(`${gateway.url}/docs`)).text();
      await page.setContent(html);
      await page.fill("#search", "analysesByDay");
      expect(await page.locator("#found a").first().textContent()).toBe("analysesByDay");
      expect(await page.locator("h3", { hasText: /^analysesByDay / }).textContent())
        .toBe("analysesByDay needs marts:read");
      expect(await page.locator("h3", { hasText: /^createPrompt / }).textContent())
        .toBe("createPrompt needs prompts:write");
    });
  },
);
