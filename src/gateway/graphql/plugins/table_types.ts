import "postgraphile";
import type { GraphileConfig } from "graphile-config";

declare global {
  namespace GraphQL {
    interface TableTypeExtensions {
      curestryTable?: string;
    }
  }
}

/** Notes with each type which table its rows are of: also with connections, edges and aggregates. */
export const TableTypesPlugin: GraphileConfig.Plugin = {
  name: "CurestryTableTypesPlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      GraphQLObjectType(config, _build, { scope }) {
        const table = scope.pgCodec?.extensions?.pg;
        if (table === undefined) return config;
        return {
          ...config,
          extensions: { ...config.extensions, curestryTable: `${table.schemaName}.${table.name}` },
        };
      },
    },
  },
};
