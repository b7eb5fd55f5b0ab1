import type { Pool } from "pg";
import type { Logger } from "pino";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ErrorCode } from "../../shared/error_codes.ts";
import type { AskBeside } from "../database/ask_beside.ts";
import { isBusy } from "../database/connection_failures.ts";
import type { FairPool } from "../database/fair_pool.ts";
import { readyQuery } from "../database/pool.ts";
import type { LiveFigures } from "../live/hub.ts";
import { shareAnswer } from "../share_answer.ts";

/** What Prometheus asks for, of this gateway and its database. No label names who asked for what. */
export interface Metrics {
  /** An HTTP request was answered. */
  countRequest(method: string, status: number, seconds: number): void;
  /** An answer had these errors. */
  countErrors(codes: readonly ErrorCode[]): void;
  /** Uses of our own API that were not recorded. */
  countLostUses(count: number): void;
  /** The text, and its content type. Asks the database at most once in a while. */
  read(): Promise<{ text: string; contentType: string }>;
}

/** A row of app.metrics(). */
interface Figure {
  name: string;
  help: string;
  labels: Record<string, string>;
  value: number;
}

/** Whether the database answers, and its figures if it gives any. */
interface Figures {
  up: boolean;
  rows: readonly Figure[] | null;
}

/** How long figures of the database are used again. */
const figuresMaxAgeMs = 2_000;

const countedMethods = new Set(["GET", "HEAD", "POST"]);
const durationBucketsSeconds = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Makes the figures of one gateway; several in one process do not mix.
 *
 * @param gateway what is counted in it
 * @param ask asks for the figures of the database
 */
export function makeMetrics(
  gateway: { pool: Pool; fair: FairPool; costlyCount(): number; live: LiveFigures },
  ask: AskBeside,
  log: Logger,
): Metrics {
  const { pool, fair, costlyCount, live } = gateway;
  const registry = new Registry();
  const registers = [registry];
  /** What the counters of subscriptions have counted. */
  const told = { sent: 0, ended: 0 };
  const requests = new Counter({
    name: "curestry_http_requests_total",
    help: "HTTP requests answered.",
    labelNames: ["method", "status"],
    registers,
  });
  const durations = new Histogram({
    name: "curestry_http_request_duration_seconds",
    help: "How long HTTP requests took.",
    labelNames: ["method"],
    buckets: durationBucketsSeconds,
    registers,
  });
  const errors = new Counter({
    name: "curestry_graphql_errors_total",
    help: "Errors in answers to GraphQL requests, by code.",
    labelNames: ["code"],
    registers,
  });
  const lostUses = new Counter({
    name: "curestry_api_usage_lost_total",
    help: "Uses of our own API that were not recorded as feature events.",
    registers,
  });
  new Gauge({
    name: "curestry_up",
    help: "1: the gateway answers.",
    registers,
    collect() {
      this.set(1);
    },
  });
  new Gauge({
    name: "curestry_pool_connections",
    help: "The gateway's connections to the database.",
    labelNames: ["state"],
    registers,
    collect() {
      this.set({ state: "idle" }, pool.idleCount);
      this.set({ state: "in_use" }, pool.totalCount - pool.idleCount);
    },
  });
  new Gauge({
    name: "curestry_pool_waiting",
    help: "Requests that wait for a connection.",
    registers,
    collect() {
      this.set(fair.waitingCount);
    },
  });
  new Gauge({
    name: "curestry_costly_operations",
    help: "Costly operations under way, on the thread for them.",
    registers,
    collect() {
      this.set(costlyCount());
    },
  });
  new Gauge({
    name: "curestry_live_subscriptions",
    help: "Subscriptions that are told of changes.",
    registers,
    collect() {
      this.set(live.subscriptions);
    },
  });
  new Gauge({
    name: "curestry_live_lag_seconds",
    help: "How long ago changes were read for subscriptions; 0 without any.",
    registers,
    collect() {
      this.set(live.lagSeconds);
    },
  });
  new Counter({
    name: "curestry_live_events_total",
    help: "Events sent to subscriptions.",
    registers,
    collect() {
      this.inc(live.sent - told.sent);
      told.sent = live.sent;
    },
  });
  new Counter({
    name: "curestry_live_ended_total",
    help: "Subscriptions that the gateway ended: refused, too slow, or at its stop.",
    registers,
    collect() {
      this.inc(live.ended - told.ended);
      told.ended = live.ended;
    },
  });

  const readFigures = shareAnswer(async (): Promise<Figures> => {
    try {
      return { up: true, rows: await ask<Figure>("select * from app.metrics()") };
    } catch (error) {
      log.warn({ err: error }, "The figures of the database could not be read");
      // A table is locked, or all is slow: that is not down
      return {
        up: isBusy(error) && await ask(readyQuery).then(() => true, () => false),
        rows: null,
      };
    }
  }, figuresMaxAgeMs);

  return {
    countRequest(method, status, seconds) {
      const known = countedMethods.has(method) ? method : "other";
      requests.inc({ method: known, status: `${Math.floor(status / 100)}xx` });
      durations.observe({ method: known }, seconds);
    },
    countErrors(codes) {
      for (const code of codes) errors.inc({ code });
    },
    countLostUses: (count) => lostUses.inc(count),
    async read() {
      const [own, figures] = await Promise.all([registry.metrics(), readFigures()]);
      const database = await describeFigures(figures);
      return { text: `${own}\n${database}`, contentType: registry.contentType };
    },
  };
}

/** A registry for each answer: what the database does not speak of any more is gone. */
async function describeFigures({ up, rows }: Figures): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "curestry_database_up",
    help: "1: the database answers, else 0.",
    registers,
  }).set(up ? 1 : 0);
  for (const [name, figures] of Map.groupBy(rows ?? [], ({ name }) => name)) {
    const gauge = new Gauge({
      name,
      help: figures[0]?.help ?? name,
      labelNames: [...new Set(figures.flatMap(({ labels }) => Object.keys(labels)))],
      registers,
    });
    for (const { labels, value } of figures) gauge.set(labels, value);
  }
  return await registry.metrics();
}
