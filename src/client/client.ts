import type { AnyVariables, TypedDocument } from "./document.ts";
import { makeRecorder, type Recorder, type RecorderOptions } from "./recorder.ts";
import { withRetry } from "./retry.ts";
import { subscribe, type SubscribeOptions } from "./subscribe.ts";
import { type ClientOptions, makeTransport } from "./transport.ts";

/** Variables and options of a call; the variables may be left out if none is required. */
export type Arguments<V, Options> = Record<never, never> extends V
  ? [variables?: V, options?: Options]
  : [variables: V, options?: Options];

/** Of one call. */
export interface CallOptions {
  /** Gives up. */
  signal?: AbortSignal;
}

/** The kinds of files that can be exported. */
export type ExportKind = "prompts" | "analyses" | "scores" | "metrics" | "marts";

/** A client of Curestry's API. */
export interface CurestryClient {
  /**
   * Runs a query or a mutation and answers its data; tries again when that can help.
   *
   * @throws {CurestryError} with the API's code, if anything of the answer is an error
   */
  run<R, V extends object>(
    document: TypedDocument<R, V>,
    ...args: Arguments<V, CallOptions>
  ): Promise<R>;
  /**
   * All rows of a list, page by page, as they are read.
   *
   * @param document has one field: a list with `nodes` and `pageInfo`, which takes `$after`
   */
  rows<R, V extends object>(
    document: TypedDocument<R, V>,
    ...args: Arguments<V, CallOptions>
  ): AsyncGenerator<RowOf<R>, void, undefined>;
  /** Records analyses in batches. */
  recorder(options?: RecorderOptions): Recorder;
  /** The events of a subscription; after a broken connection it goes on where it was. */
  subscribe<R, V extends object>(
    document: TypedDocument<R, V>,
    ...args: Arguments<V, SubscribeOptions>
  ): AsyncGenerator<R, void, undefined>;
  /** A whole table as a file: a stream of its bytes. */
  export(
    kind: ExportKind,
    parameters?: Readonly<Record<string, string | number | boolean>>,
    options?: CallOptions,
  ): Promise<ReadableStream<Uint8Array>>;
}

/** A row of the list that a document asks for. */
export type RowOf<R> = NonNullable<R[keyof R]> extends { nodes: readonly (infer N)[] } ? N : never;

/** Makes a client; it holds no connection of its own and needs no closing. */
export function createClient(options: ClientOptions): CurestryClient {
  const transport = makeTransport(options);

  function run<R, V extends object>(
    document: TypedDocument<R, V>,
    variables: V | undefined,
    { signal }: CallOptions = {},
  ): Promise<R> {
    const send = () => transport.send(document, (variables ?? {}) as AnyVariables, signal);
    const { repeatable } = document;
    return withRetry(send, { ...transport.retry, repeatable, pause: transport.pause, signal });
  }

  return {
    run: (document, ...[variables, call]) => run(document, variables, call),
    async *rows<R, V extends object>(
      document: TypedDocument<R, V>,
      ...[variables, call]: [variables?: V, options?: CallOptions]
    ) {
      let from = variables;
      for (;;) {
        const [page] = Object.values(await run(document, from, call) as object) as (Page | null)[];
        if (page == null) return;
        yield* page.nodes as RowOf<R>[];
        if (!page.pageInfo.hasNextPage) return;
        from = { ...variables, after: page.pageInfo.endCursor } as unknown as V;
      }
    },
    recorder: (options) => makeRecorder(transport, options),
    subscribe: (document, ...[variables, options]) =>
      subscribe(transport, document, (variables ?? {}) as AnyVariables, options),
    async export(kind, parameters = {}, { signal } = {}) {
      const query = new URLSearchParams(
        Object.entries(parameters).map(([name, value]) => [name, String(value)]),
      );
      const open = () => transport.open(`/export/${kind}?${query}`, {}, signal);
      const { pause, retry } = transport;
      const response = await withRetry(open, { ...retry, repeatable: true, pause, signal });
      return response.body ?? new ReadableStream();
    },
  };
}

/** A page of a list. */
interface Page {
  nodes: readonly unknown[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}
