import type { Pool } from "pg";
import type { Logger } from "pino";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ErrorCode } from "../../shared/error_codes.ts";

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

/** How long figures of the database are used again. */
const figuresMaxAgeMs = 2_000;

/** What takes longer counts as no answer: who scrapes gives up soon, too. */
const figuresTimeoutMs = 3_000;

const countedMethods = new Set(["GET", "HEAD", "POST"]);
const durationBucketsSeconds = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Makes the figures of one gateway; several in one process do not mix. */
export function makeMetrics(pool: Pool, log: Logger): Metrics {
  const registry = new Registry();
  const registers = [registry];
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
      this.set(pool.waitingCount);
    },
  });

  let known: { at: number; figures: Promise<Figure[] | null> } | null = null;

  /** Those who ask at the same time, or soon after, get the same answer; null when there is none. */
  function readFigures(): Promise<Figure[] | null> {
    if (known === null || performance.now() - known.at > figuresMaxAgeMs) {
      known = { at: performance.now(), figures: queryFigures() };
    }
    return known.figures;
  }

  async function queryFigures(): Promise<Figure[] | null> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("It takes too long")), figuresTimeoutMs);
    try {
      const answer = pool.query<Figure>("select * from app.metrics()");
      return (await Promise.race([answer, late.promise])).rows;
    } catch (error) {
      log.warn({ err: error }, "The figures of the database could not be read");
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

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
async function describeFigures(figures: readonly Figure[] | null): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "curestry_database_up",
    help: "1: the database answers, else 0; then its figures are missing.",
    registers,
  }).set(figures === null ? 0 : 1);
  for (const [name, rows] of Map.groupBy(figures ?? [], ({ name }) => name)) {
    const gauge = new Gauge({
      name,
      help: rows[0]?.help ?? name,
      labelNames: [...new Set(rows.flatMap(({ labels }) => Object.keys(labels)))],
      registers,
    });
    for (const { labels, value } of rows) gauge.set(labels, value);
  }
  return await registry.metrics();
}
