import type { Settings } from "../shared/settings.ts";
import type { GatewayOptions } from "./serve.ts";

/** What the settings say about the gateway, apart from where its database and its keys are. */
export function gatewayOptions(
  settings: Settings,
): Omit<GatewayOptions, "databaseUrl" | "jwtKeys" | "log"> {
  const { host, port, pooler, poolSize, poolWaitMs, statementTimeoutMs } = settings;
  return {
    host,
    port,
    poolSize,
    poolWaitMs,
    statementTimeoutMs,
    ...(pooler === null ? {} : { preparedStatements: pooler === "none" }),
    clientTimeoutMs: settings.clientTimeoutMs,
    maxClients: settings.maxClients,
    maxSubscriptions: settings.maxSubscriptions,
    sharedPort: settings.sharedPort,
    documentMode: settings.trustedDocuments,
    corsOrigins: settings.corsOrigins,
    operationLimits: {
      cost: settings.maxCost,
      inputValues: settings.maxInputValues,
      answerBytes: settings.maxAnswerBytes,
    },
    rateLimit: settings.rateLimit,
    fileConnections: settings.fileConnections,
    maxImportBytes: settings.maxImportBytes,
  };
}
