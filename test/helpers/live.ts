import { createClient as createSocketClient } from "graphql-ws";
import { createClient as createEventsClient } from "graphql-sse";
import { afterEach, expect } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./eventually.ts";
import type { TestDatabase } from "./database.ts";
import { graphqlData, type GraphqlError } from "./graphql.ts";
import type { TestOrganization } from "./make.ts";

export const PROMPTS = `subscription ($after: Cursor, $promptId: String) {
  promptChanged(after: $after, promptId: $promptId) { cursor kind promptId prompt { id name } }
}`;
export const RUNS = `subscription ($after: Cursor, $promptId: String, $status: [String!]) {
  analysisRunChanged(after: $after, promptId: $promptId, status: $status) {
    cursor kind analysisRunId analysisRun { id status }
  }
}`;
export const MARTS = `subscription ($after: Cursor) {
  martsUpdated(after: $after) { cursor kind source marts from to }
}`;

/** Makes a prompt, and answers its id. */
export async function createPrompt(url: string, key: string, name: string): Promise<string> {
  const { createPrompt } = await graphqlData<{ createPrompt: { prompt: { id: string } } }>(url, {
    query: `mutation ($name: String!) {
      createPrompt(input: { prompt: { name: $name, content: "text" } }) { prompt { id } }
    }`,
    variables: { name },
    key,
  });
  return createPrompt.prompt.id;
}

/** Writes a run that has ended, and answers its id. */
export async function recordRun(
  database: TestDatabase,
  organization: TestOrganization,
  promptId: string | null = null,
): Promise<string> {
  const [row] = await database.query<{ id: string }>(
    `insert into ops.analysis_run (organization_id, prompt_id, status, started_at, finished_at)
     values ($1, $2, 'succeeded', '2026-01-01Z', '2026-01-01T00:01Z') returning id`,
    [organization.id, promptId],
  );
  return row!.id;
}

/**
 * Ends after each test what it has subscribed to.
 *
 * @param key whose key subscribes where nothing else is said
 */
export function withSubscribers(gateway: { readonly url: string }, key: () => string) {
  const subscribers: TestSubscriber[] = [];
  afterEach(() => {
    for (const subscriber of subscribers.splice(0)) subscriber.stop();
  });
  return (
    transport: typeof transports[number],
    request: TestSubscription,
    url: string = gateway.url,
  ): TestSubscriber => {
    const subscriber = subscribe(url, transport, { key: key(), ...request });
    subscribers.push(subscriber);
    return subscriber;
  };
}

/** An event of any of the subscriptions. */
export interface TestEvent {
  cursor: string;
  kind: "READY" | "INSERTED" | "UPDATED" | "DELETED";
  // deno-lint-ignore no-explicit-any
  [field: string]: any;
}

/** What a subscriber has been told. */
export interface TestSubscriber {
  /** Without READY. */
  readonly changes: readonly TestEvent[];
  readonly events: readonly TestEvent[];
  readonly errors: readonly GraphqlError[];
  /** How the websocket was closed; null while it is open. */
  readonly closed: { code: number; reason: string } | null;
  readonly isOver: boolean;
  /** Waits until it listens. */
  ready(): Promise<void>;
  /** Goes away, without a word. */
  stop(): void;
}

/** What is subscribed to, as whom. */
export interface TestSubscription {
  query: string;
  variables?: Record<string, unknown>;
  key?: string | undefined;
  token?: string;
  organization?: string;
  /** Headers of the websocket, instead of the payload of connection_init. */
  asHeaders?: boolean;
}

/** Ways to subscribe. */
export const transports = ["websocket", "events"] as const;

/** Subscribes with the client library of a protocol. */
export function subscribe(
  url: string,
  transport: typeof transports[number],
  request: TestSubscription,
): TestSubscriber {
  const { query, variables = {}, key, token, organization } = request;
  const events: TestEvent[] = [];
  const errors: GraphqlError[] = [];
  const credential = key ?? token;
  const headers: Record<string, string> = {
    ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
    ...(organization === undefined ? {} : { "x-curestry-organization": organization }),
  };
  let closed: TestSubscriber["closed"] = null;
  let isOver = false;
  const sink = {
    next({ data, errors: found }: { data?: unknown; errors?: readonly unknown[] | undefined }) {
      if (found) errors.push(...found as GraphqlError[]);
      const [event] = Object.values(data ?? {});
      if (event) events.push(event as TestEvent);
    },
    error(error: unknown) {
      if (Array.isArray(error)) errors.push(...error);
      else if (closed === null) errors.push({ message: String(error) });
      isOver = true;
    },
    complete() {
      isOver = true;
    },
  };
  let unsubscribe: () => void;
  if (transport === "websocket") {
    class WithHeaders extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, request.asHeaders ? { headers } : {});
        // Of one that is closed before it is open
        this.on("error", () => {});
      }
    }
    const client = createSocketClient({
      url: `${url.replace("http", "ws")}/graphql`,
      webSocketImpl: WithHeaders,
      connectionParams: request.asHeaders ? {} : headers,
      retryAttempts: 0,
      lazy: true,
      on: {
        closed(event) {
          const { code, reason } = event as CloseEvent;
          closed = { code, reason };
          isOver = true;
        },
      },
    });
    const end = client.subscribe({ query, variables }, sink as never);
    unsubscribe = () => {
      end();
      client.terminate();
    };
  } else {
    const client = createEventsClient({
      url: `${url}/graphql`,
      headers,
      retryAttempts: 0,
    });
    const end = client.subscribe({ query, variables }, sink as never);
    unsubscribe = () => {
      end();
      client.dispose();
    };
  }
  return {
    events,
    errors,
    get changes() {
      return events.filter(({ kind }) => kind !== "READY");
    },
    get closed() {
      return closed;
    },
    get isOver() {
      return isOver;
    },
    async ready() {
      await eventually(() => {
        expect(errors).toEqual([]);
        expect(events.some(({ kind }) => kind === "READY")).toBe(true);
      });
    },
    stop: () => unsubscribe(),
  };
}
