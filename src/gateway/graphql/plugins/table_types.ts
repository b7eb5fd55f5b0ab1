import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { tableOf } from "../table_of.ts";

/**
 * Notes with each type which table its rows are of: also with connections, edges and aggregates. What a
 * request may not read is null, with an error: so no connection is one that cannot be null, or the refusal
 * of one would take the row with it that it belongs to. Notes also which payloads are those of functions,
 * which answer rows that they have made by rules of their own.
 */
export const TableTypesPlugin: GraphileConfig.Plugin = {
  name: "CurestryTableTypesPlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, build) {
        const { isNonNullType, getNamedType } = build.graphql;
        const { type } = field;
        const isConnection = isNonNullType(type) && getNamedType(type).name.endsWith("Connection");
        return isConnection ? { ...field, type: type.ofType } : field;
      },
      GraphQLObjectType(config, _build, { scope }) {
        if (scope.isMutationPayload) {
          const isOfRow = scope.isPgCreatePayloadType || scope.isPgUpdatePayloadType ||
            scope.isPgDeletePayloadType;
          const extensions = { ...config.extensions, curestryOfFunction: !isOfRow };
          return { ...config, extensions };
        }
        const table = scope.pgCodec === undefined ? "" : tableOf(scope.pgCodec);
        return table === ""
          ? config
          : { ...config, extensions: { ...config.extensions, curestryTable: table } };
      },
    },
  },
};
