import type { Logger } from "pino";
import type { ApiUsage } from "../api_usage.ts";
import type { Budgets } from "../budgets.ts";
import type { CostlyOperations } from "../costly/costly_operations.ts";
import type { ReadCredential } from "../credentials/read_credential.ts";
import type { Sessions } from "../credentials/sessions.ts";
import type { Adaptor, RequestRole } from "../database/adaptor.ts";
import type { ErrorMapper } from "../graphql/errors.ts";
import type { Gate } from "../gate.ts";
import type { GraphqlServer } from "../graphql/graphql_server.ts";
import type { OperationLimits } from "../graphql/operation_limits.ts";
import type { TrustedDocuments } from "../graphql/trusted_documents.ts";
import type { Hub } from "../live/hub.ts";
import type { CorsOrigins } from "./cors.ts";
import type { Health } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { NoteRequest } from "./note_request.ts";

/** What the application is made of. */
export interface AppParts {
  adaptor: Adaptor;
  /** Null: there are none. */
  budgets: Budgets | null;
  /** Null: costly operations run with the others. */
  costly: CostlyOperations | null;
  operationLimits: OperationLimits;
  documents: TrustedDocuments;
  errors: ErrorMapper;
  /** All subscriptions. */
  hub: Hub;
  /** Whoever subscribes passes it on the way to the database: a thousand come at once after a restart. */
  gate: Gate;
  health: Health;
  metrics: Metrics;
  corsOrigins: CorsOrigins;
  noteRequest: NoteRequest;
  /** Notes the use of the API; does not make the request wait. */
  apiUsage: ApiUsage;
  readCredential: ReadCredential;
  /** Notes that an API key was used; does not make the request wait. */
  noteKeyUse(hash: string): void;
  sessions: Sessions;
  /** The API as a role sees it; may build it, and throw when that fails. */
  serverOf(role: RequestRole): Promise<GraphqlServer>;
  log: Logger;
}
