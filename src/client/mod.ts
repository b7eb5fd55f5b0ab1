/**
 * A client of Curestry's API, for Node.js, Deno and browsers, without dependencies.
 *
 * @module
 */
export { createClient } from "./client.ts";
export type { CallOptions, CurestryClient, ExportKind, RowOf } from "./client.ts";
export { document } from "./document.ts";
export type { AnyVariables, TypedDocument } from "./document.ts";
export { CurestryError } from "./error.ts";
export type { ApiError } from "./error.ts";
export * as documents from "./generated/documents.ts";
export type * from "./generated/types.ts";
export type { Outcome, Recorder, RecorderOptions } from "./recorder.ts";
export type { Pause, RetryOptions } from "./retry.ts";
export type { SubscribeOptions } from "./subscribe.ts";
export type { ClientOptions } from "./transport.ts";
