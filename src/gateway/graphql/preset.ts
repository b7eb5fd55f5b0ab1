import "./graphile_env.ts";
import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { PgSimplifyInflectionPreset } from "@graphile/simplify-inflection";
import type { GraphileConfig } from "graphile-config";
import type { MakePgServiceOptions } from "postgraphile/@dataplan/pg";
import type { GrafastSubscriber } from "postgraphile/grafast";
import type {} from "postgraphile/grafserv";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";
import type { Adaptor, RequestRole, WithClient } from "../database/adaptor.ts";
import type { DatabaseClient } from "../database/transaction.ts";
import { ArgumentsPlugin } from "./plugins/arguments.ts";
import { BehaviorCachePlugin } from "./plugins/behavior_cache.ts";
import { NamesPlugin } from "./plugins/names.ts";
import { NumbersPlugin } from "./plugins/numbers.ts";
import { PageSizePlugin } from "./plugins/page_size.ts";
import { PrivilegesPlugin } from "./plugins/privileges.ts";
import { TableTypesPlugin } from "./plugins/table_types.ts";

declare global {
  namespace GraphileConfig {
    interface PgAdaptors {
      curestry: {
        adaptorSettings: undefined;
        makePgServiceOptions: MakePgServiceOptions;
        client: DatabaseClient;
      };
    }
  }
  namespace Grafast {
    interface Context {
      pgSettings: Record<string, string | undefined> | null;
      withPgClient: WithClient;
      pgSubscriber: GrafastSubscriber<Record<string, string>> | null;
    }
  }
}

/** Time limits of an operation, in milliseconds. */
export interface OperationTimeouts {
  planning: number;
  execution: number;
}

/**
 * The configuration of PostGraphile for one role: the API is made of what that role may do.
 *
 * @param role whose privileges the schema shows; requests get theirs from the adaptor
 */
export function makePreset(
  role: RequestRole,
  adaptor: Adaptor,
  timeouts: OperationTimeouts,
): GraphileConfig.Preset {
  return {
    extends: [
      PostGraphileAmberPreset,
      PgAggregatesPreset,
      PostGraphileConnectionFilterPreset,
      PgSimplifyInflectionPreset,
    ],
    plugins: [
      ArgumentsPlugin,
      BehaviorCachePlugin,
      NamesPlugin,
      NumbersPlugin,
      PageSizePlugin,
      PrivilegesPlugin,
      TableTypesPlugin,
    ],
    disablePlugins: [
      // Query.query: for Relay 1, and a way to nest without end.
      "QueryQueryPlugin",
      // `filter` does what `condition` does.
      "PgConditionArgumentPlugin",
      "PgConditionCustomFieldsPlugin",
      // Lists are ordered by what has an index; an aggregate over another table has none.
      "PgAggregatesOrderByAggregatesPlugin",
    ],
    pgServices: [makeService(role, adaptor)],
    grafserv: {
      graphqlPath: "/graphql",
      graphiqlPath: "/ruru",
      graphiql: true,
      graphiqlOnGraphQLGET: true,
      websockets: false,
      watch: false,
      // Masked in errors.ts, which has to ask the database and so cannot be called from here.
      maskError: (error) => error,
    },
    gather: { pgStrictFunctions: true },
    grafast: { explain: false, timeouts },
  };
}

/** PostGraphile's connection settings, with our adaptor in the place of its own. */
function makeService(role: RequestRole, adaptor: Adaptor): GraphileConfig.PgServiceConfiguration {
  return {
    name: "main",
    schemas: ["core", "ops", "mart"],
    pgSettingsKey: "pgSettings",
    withPgClientKey: "withPgClient",
    pgSubscriberKey: "pgSubscriber",
    pgSubscriber: null,
    adaptor: {
      // Used for introspection alone: a request brings its own way to the database.
      createWithPgClient: () => adaptor.introspectAs(role),
      makePgService() {
        throw new Error("The service is made in src/gateway/graphql/preset.ts");
      },
    },
    adaptorSettings: undefined,
  };
}
