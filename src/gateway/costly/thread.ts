import "../graphql/graphile_env.ts";
import { type Engine, type EngineOptions, makeEngine } from "../engine.ts";
import { busy } from "../database/fair_pool.ts";
import type { Login } from "../../database/login.ts";
import { makeLineLog } from "../../shared/log.ts";
import { fromRefusal, type LoginRefusal, toRefusal } from "./login_refusal.ts";
import type { CostlyAnswer, CostlyOperation, FromThread, ToThread } from "./messages.ts";

/** What runs on the thread of costly operations; started by costly_operations.ts. */

const port = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToThread>) => void) | null;
  postMessage(message: FromThread, transfer?: Transferable[]): void;
  close(): void;
};
const log = makeLineLog((line) => port.postMessage({ type: "log", line }));

const encoder = new TextEncoder();
const cannotRun = "The operation cannot be run now; try again";

/** Connections that wait for another connection string. */
let renewals: { resolve(url: string): void; reject(error: unknown): void }[] = [];
/** The API and its connections, once an operation needed them. */
let building: Promise<Engine> | null = null;
let engine: Engine | null = null;
let makeOwnEngine: () => Promise<Engine>;
let waitMs = 0;
/** When the API was built: while it was, operations waited for that and not for others. */
let builtAt = 0;

/** The gateway's login: what is good now is asked of the gateway, which may set passwords. */
function makeLogin(first: string): Login {
  let url = first;
  return {
    get url() {
      return url;
    },
    async renew(refused, error) {
      if (refused !== url) return;
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      renewals.push({ resolve, reject });
      port.postMessage({ type: "renew", url: refused, refusal: toRefusal(error) });
      url = await promise;
    },
  };
}

/** All modules are loaded now; the API takes a second and some memory, which few gateways need. */
function start(databaseUrl: string, options: EngineOptions): void {
  waitMs = options.poolWaitMs;
  const login = makeLogin(databaseUrl);
  makeOwnEngine = () => makeEngine(login, { ...options, connectWaitMs: waitMs }, log);
  port.postMessage({ type: "ready" });
}

/** Builds the API for the first that needs it; a failed attempt is repeated. */
async function getEngine(): Promise<Engine> {
  if (engine) return engine;
  building ??= makeOwnEngine().finally(() => building = null);
  engine = await building;
  builtAt = Date.now();
  return engine;
}

async function run(operation: CostlyOperation, sentAt: number): Promise<CostlyAnswer> {
  const { caller, work, body, accept } = operation;
  const engine = await getEngine();
  // The thread was busy with others for as long as one waits for a connection
  if (Date.now() - Math.max(sentAt, builtAt) > waitMs) throw busy();
  const server = await engine.serverOf(caller.role);
  const database = engine.adaptor.openRequest(caller, work);
  try {
    await database.verify();
    const answer = await server.handle(accept, body, database, caller.requestId, {
      pay: () => Promise.resolve(null),
      mayGoElsewhere: false,
      onlyQueries: false,
    });
    if (answer === "elsewhere") throw new Error("There is no other place for this operation");
    const { answer: { status, headers, body: content }, codes, used } = answer;
    const bytes = typeof content === "string"
      ? encoder.encode(content)
      : content ?? new Uint8Array();
    return { status, headers, body: bytes, codes, used };
  } finally {
    database.finish();
  }
}

async function answer(id: number, operation: CostlyOperation, sentAt: number): Promise<void> {
  try {
    const answer = await run(operation, sentAt);
    port.postMessage({ type: "answer", id, answer }, [answer.body.buffer]);
  } catch (error) {
    if (engine === null) {
      log.error({ err: error }, "The API of costly operations cannot be built");
      return port.postMessage({ type: "refused", id, code: "UNAVAILABLE", message: cannotRun });
    }
    const { message, extensions: { code } } = await engine.errors.toClientError(
      error,
      operation.caller.requestId,
    );
    port.postMessage({ type: "refused", id, code, message });
  }
}

function renewed(url: string, refusal: LoginRefusal | null): void {
  const waiting = renewals;
  renewals = [];
  for (const { resolve, reject } of waiting) {
    if (refusal === null) resolve(url);
    else reject(fromRefusal(refusal));
  }
}

async function stop(): Promise<void> {
  await (await building?.catch(() => null) ?? engine)?.requests.pool.end();
  port.postMessage({ type: "stopped" });
  port.close();
}

port.onmessage = ({ data }) => {
  switch (data.type) {
    case "start":
      return start(data.databaseUrl, data.engine);
    case "run":
      return void answer(data.id, data.operation, data.sentAt);
    case "renewed":
      return renewed(data.url, data.refusal);
    case "stop":
      return void stop();
  }
};
