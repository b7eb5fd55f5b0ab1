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
import { AggregatesPlugin } from "./plugins/aggregates.ts";
import { ArgumentsPlugin } from "./plugins/arguments.ts";
import { BehaviorCachePlugin } from "./plugins/behavior_cache.ts";
import { ColumnTypesPlugin } from "./plugins/column_types.ts";
import { DescriptionsPlugin } from "./plugins/descriptions.ts";
import { ListsPlugin } from "./plugins/lists.ts";
import { LivePlugin } from "./plugins/live.ts";
import { NamesPlugin } from "./plugins/names.ts";
import { makeNullabilityPlugin } from "./plugins/nullability.ts";
import { NumbersPlugin } from "./plugins/numbers.ts";
import { PageSizePlugin } from "./plugins/page_size.ts";
import { PagingPlugin } from "./plugins/paging.ts";
import { PrivilegesPlugin } from "./plugins/privileges.ts";
import { TableTypesPlugin } from "./plugins/table_types.ts";
import { TimesPlugin } from "./plugins/times.ts";
import { WordsPlugin } from "./plugins/words.ts";

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
 * @param permissions which permission a request needs to read each table, by "schema.table"
 */
export function makePreset(
  role: RequestRole,
  adaptor: Adaptor,
  timeouts: OperationTimeouts,
  permissions: ReadonlyMap<string, string>,
): GraphileConfig.Preset {
  return {
    extends: [
      PostGraphileAmberPreset,
      PgAggregatesPreset,
      PostGraphileConnectionFilterPreset,
      PgSimplifyInflectionPreset,
    ],
    plugins: [
      AggregatesPlugin,
      ArgumentsPlugin,
      BehaviorCachePlugin,
      ColumnTypesPlugin,
      DescriptionsPlugin,
      ListsPlugin,
      NamesPlugin,
      makeNullabilityPlugin(permissions),
      NumbersPlugin,
      PageSizePlugin,
      PagingPlugin,
      PrivilegesPlugin,
      TableTypesPlugin,
      TimesPlugin,
      WordsPlugin,
      // Without credentials there is no row to tell of
      ...(role === "curestry_member" ? [LivePlugin] : []),
    ],
    disablePlugins: [
      // Query.query: for Relay 1, and a way to nest without end.
      "QueryQueryPlugin",
      // Clients that look for a payload's edge name the connection that it belongs to themselves.
      "PgMutationPayloadEdgePlugin",
      "MutationPayloadQueryPlugin",
      // `filter` does what `condition` does.
      "PgConditionArgumentPlugin",
      "PgConditionCustomFieldsPlugin",
      // Lists are filtered and ordered by what has an index; what is computed has none, nor an aggregate over
      // another table.
      "PgConnectionArgFilterComputedAttributesPlugin",
      "PgAggregatesOrderByAggregatesPlugin",
      "PgAggregatesFilterRelationalAggregatesPlugin",
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
    schema: { connectionFilterAllowedOperators: [...operators] },
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

/** What lists are filtered by. Others are `not`, `or` and `and` of these. */
const operators = [
  "isNull",
  "equalTo",
  "notEqualTo",
  "in",
  "notIn",
  "lessThan",
  "lessThanOrEqualTo",
  "greaterThan",
  "greaterThanOrEqualTo",
  "equalToInsensitive",
  "includes",
  "includesInsensitive",
  "startsWith",
  "startsWithInsensitive",
  "endsWith",
  "like",
  "likeInsensitive",
] as const;
