import type { Adaptor, RequestRole } from "../database/adaptor.ts";
import { readTablePermissions } from "../database/table_permissions.ts";
import type { ErrorMapper } from "./errors.ts";
import { type GraphqlServer, makeGraphqlServer } from "./graphql_server.ts";
import type { OperationLimits } from "./operation_limits.ts";
import { makePreset } from "./preset.ts";

/** One API per role, built at the first request that needs it; a failed attempt is repeated. */
export function makeGraphqlServers(
  adaptor: Adaptor,
  errors: ErrorMapper,
  options: { statementTimeoutMs: number; operationLimits: OperationLimits },
): (role: RequestRole) => Promise<GraphqlServer> {
  const servers = new Map<RequestRole, Promise<GraphqlServer>>();
  return function serverOf(role) {
    let server = servers.get(role);
    if (server === undefined) {
      const timeouts = { planning: 1_000, execution: options.statementTimeoutMs + 5_000 };
      server = adaptor.introspectAs(role)(null, readTablePermissions).then((tables) =>
        makeGraphqlServer(makePreset(role, adaptor, timeouts, tables), errors, {
          isAnonymous: role === "curestry_anonymous",
          operationLimits: options.operationLimits,
          tables,
        })
      );
      servers.set(role, server);
      server.catch(() => servers.delete(role));
    }
    return server;
  };
}
