import { type FileHandle, open } from "node:fs/promises";
import type { Logger } from "pino";
import type { Login } from "../../database/login.ts";
import { logLine } from "../../shared/log.ts";
import { pause } from "../../shared/pause.ts";
import type { EngineOptions } from "../engine.ts";
import { GatewayError } from "../gateway_error.ts";
import { fromRefusal, type LoginRefusal } from "./login_refusal.ts";
import type { CostlyAnswer, CostlyOperation, FromThread, ToThread } from "./messages.ts";

/** Costly operations, which run where they keep no others waiting. */
export interface CostlyOperations {
  /** Settles when the thread has loaded all that it needs. @throws GatewayError if it broke */
  ready(): Promise<void>;
  /** @throws GatewayError with the code and the message for the client */
  run(operation: CostlyOperation): Promise<CostlyAnswer>;
  /** How many have no answer yet. */
  readonly underWayCount: number;
  /** Closes the connections of the thread, and ends it. */
  stop(): Promise<void>;
}

interface Waiter {
  resolve(answer: CostlyAnswer): void;
  reject(error: GatewayError): void;
}

/** Files that a thread opens while it starts, and more. */
const filesOfThread = 40;
/** A thread that broke is started again after this time. */
const restartPauseMs = 1_000;
/** How long the thread may take to close its connections. */
const stopWaitMs = 1_000;
/** How much longer than all of an operation's own time limits together: then the thread hangs. */
const hungThreadMs = 30_000;

/**
 * Starts the thread of costly operations, which makes an engine of its own, on connections of its own,
 * for the first of them. JavaScript
 * plans an operation, and makes its answer, in one go; for a large one that takes up to a second, in
 * which its thread does nothing else.
 */
export function startCostlyOperations(
  databaseUrl: string | Login,
  engine: EngineOptions,
  log: Logger,
): CostlyOperations {
  const answerWithinMs = engine.poolWaitMs + engine.statementTimeoutMs + hungThreadMs;
  const underWay = new Map<number, Waiter>();
  const stopping = new AbortController();
  let lastId = 0;
  let thread = start();

  function start() {
    const worker = new Worker(new URL("./thread.ts", import.meta.url), { type: "module" });
    const ready = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    ready.promise.catch(() => {});
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      switch (data.type) {
        case "ready":
          return ready.resolve();
        case "answer":
          return take(data.id)?.resolve(data.answer);
        case "refused":
          return take(data.id)?.reject(new GatewayError(data.code, data.message));
        case "renew":
          return void renew(worker, data.url, data.refusal);
        case "log":
          return logLine(log, data.line);
        case "stopped":
          return stopped.resolve();
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      broke(event.message);
    };

    function broke(reason: string): void {
      if (thread.worker !== worker || stopping.signal.aborted) return;
      log.error({ reason }, "The thread of costly operations broke: it is started again");
      worker.terminate();
      ready.reject(unavailable());
      stopped.resolve();
      for (const id of [...underWay.keys()]) take(id)?.reject(unavailable());
      const restarted = pause(restartPauseMs, stopping.signal).then(restart);
      // Operations wait for it, if there are any
      restarted.catch(() => {});
      thread = { ...thread, ready: restarted };
    }

    const url = typeof databaseUrl === "string" ? databaseUrl : databaseUrl.url;
    send(worker, { type: "start", databaseUrl: url, engine });
    return { worker, ready: ready.promise, stopped: stopped.promise, broke };
  }

  async function renew(worker: Worker, url: string, refusal: LoginRefusal): Promise<void> {
    if (typeof databaseUrl === "string") {
      return send(worker, { type: "renewed", url, refusal });
    }
    try {
      await databaseUrl.renew(url, fromRefusal(refusal));
      send(worker, { type: "renewed", url: databaseUrl.url, refusal: null });
    } catch {
      send(worker, { type: "renewed", url, refusal });
    }
  }

  async function restart(): Promise<void> {
    while (!stopping.signal.aborted && !await areFilesLeft()) {
      await pause(restartPauseMs, stopping.signal);
    }
    if (stopping.signal.aborted) throw unavailable();
    thread = start();
    await thread.ready;
  }

  function take(id: number): Waiter | undefined {
    const waiter = underWay.get(id);
    underWay.delete(id);
    return waiter;
  }

  return {
    ready: () => thread.ready,
    async run(operation) {
      await thread.ready;
      const id = ++lastId;
      const { promise, resolve, reject } = Promise.withResolvers<CostlyAnswer>();
      underWay.set(id, { resolve, reject });
      send(thread.worker, { type: "run", id, operation, sentAt: Date.now() });
      const timer = setTimeout(() => thread.broke("It does not answer"), answerWithinMs);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
      }
    },
    get underWayCount() {
      return underWay.size;
    },
    async stop() {
      stopping.abort();
      send(thread.worker, { type: "stop" });
      const ended = new AbortController();
      thread.stopped.then(() => ended.abort());
      await pause(stopWaitMs, ended.signal);
      thread.worker.terminate();
      for (const id of [...underWay.keys()]) take(id)?.reject(unavailable());
    },
  };
}

/** Whether the system lets us open some more files. Without one left, Deno ends at a new thread. */
async function areFilesLeft(): Promise<boolean> {
  const files: FileHandle[] = [];
  try {
    while (files.length < filesOfThread) files.push(await open(new URL(import.meta.url)));
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

function send(worker: Worker, message: ToThread): void {
  worker.postMessage(message);
}

function unavailable(): GatewayError {
  return new GatewayError("UNAVAILABLE", "The operation was cut off; try again");
}
