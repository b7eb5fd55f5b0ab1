import { setTimeout as sleep } from "node:timers/promises";
import { makeRandom, pick, type Random } from "../helpers/random.ts";
import type { Client, Installation } from "./installation.ts";
import { createPrompt, type Item, record } from "./writing.ts";

/** Who writes and reads all the time. */
export interface Traffic {
  /** Waits until each has its last answer; whoever was not yet told that a batch is stored repeats it. */
  stop(): Promise<void>;
}

const pauseMs = 40;
const historyMs = 20 * 86_400_000;

/** Starts a writer and a reader for each organization. */
export function startTraffic(installation: Installation, seed: number): Traffic {
  let running = true;
  const isRunning = () => running;
  const loops = installation.clients.flatMap((client, n) => [
    write(installation, client, makeRandom(seed + 2 * n), isRunning),
    read(installation, client, makeRandom(seed + 2 * n + 1), isRunning),
  ]);
  return {
    async stop() {
      running = false;
      await Promise.all(loops);
    },
  };
}

async function write(
  installation: Installation,
  client: Client,
  random: Random,
  isRunning: () => boolean,
): Promise<void> {
  const chooseUrl = () => pick(random, installation.gateways).url;
  function makeItem(): Item {
    return {
      idempotencyKey: crypto.randomUUID(),
      value: Math.round(random() * 1_000) / 100,
      at: new Date(Date.now() - random() * historyMs),
    };
  }
  while (isRunning()) {
    if (random() < 0.3) {
      await createPrompt(installation, chooseUrl(), client);
    } else {
      const items = Array.from({ length: 1 + Math.floor(random() * 3) }, makeItem);
      // Who gets no answer asks again, with the same keys; and some ask again although they got one
      for (let isStored = false; !isStored || random() < 0.05;) {
        const { outcome } = await record(installation, chooseUrl(), client, items);
        isStored ||= outcome === "200";
        if (!isStored) {
          if (!isRunning()) break;
          await sleep(100);
        }
      }
    }
    await sleep(pauseMs);
  }
}

async function read(
  installation: Installation,
  { organization, key }: Client,
  random: Random,
  isRunning: () => boolean,
): Promise<void> {
  const queries = [
    "{ organizations { nodes { slug } } prompts(first: 5) { totalCount nodes { id name } } }",
    "{ organizations { nodes { slug } } analysisRuns(first: 5, orderBy: OCCURRED_AT_DESC) { nodes { id status } } }",
    `{ organizations { nodes { slug } } metricSeries(key: "drill_value", from: "${
      new Date(Date.now() - historyMs).toISOString().slice(0, 10)
    }", to: "${new Date().toISOString().slice(0, 10)}", bucket: DAY) { mean } }`,
  ];
  while (isRunning()) {
    const { data } = await installation.ask<{ organizations: { nodes: { slug: string }[] } }>(
      pick(random, installation.gateways).url,
      { key, query: pick(random, queries) },
    );
    const slugs = data?.organizations.nodes.map(({ slug }) => slug).join();
    if (slugs !== undefined && slugs !== organization.slug) {
      installation.ledger.wrong.push(`${organization.slug} was shown the organizations ${slugs}`);
    }
    await sleep(pauseMs);
  }
}
