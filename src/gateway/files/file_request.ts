import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";
import type { Adaptor, Caller } from "../database/adaptor.ts";
import type { ErrorMapper } from "../graphql/errors.ts";
import type { FileStream } from "./send_stream.ts";

/** A request for a file, from somebody whose credential holds. */
export interface FileRequest {
  kind: string;
  method: string;
  parameters: URLSearchParams;
  headers: Readonly<Record<string, string>>;
  caller: Caller;
  message: IncomingMessage;
  to: ServerResponse;
  /** Of the answer, whatever it is. */
  answerHeaders: Record<string, string>;
  /** What the beginning costs; refused with 429 if that cannot be paid. @throws FileError */
  payFirst(records: boolean): Promise<void>;
  /** What it costs to go on; waits until it can be paid. */
  pay(cost: number, records: boolean): Promise<void>;
  /** The answer has begun: from now on a failure ends it. */
  onBegin(stream: FileStream): void;
}

/** What exports and imports work with. */
export interface FileParts {
  /** With connections of its own: files never take those of other requests. */
  adaptor: Adaptor;
  errors: ErrorMapper;
  log: Logger;
  /** How long a client may take or send nothing. */
  clientTimeoutMs: number;
  /** What an import may have. */
  maxImportBytes: number;
}
