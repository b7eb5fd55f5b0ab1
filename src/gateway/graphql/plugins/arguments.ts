import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { withoutNulls } from "./nullability.ts";

/**
 * Lists that clients send have no null in them: `tags: [String!]!`, `items: [AnalysisItemInput!]!`.
 * PostgreSQL's types cannot say so, and nothing of ours gives such a null a meaning.
 *
 * (That an argument without a default must be given is PostGraphile's `pgStrictFunctions`.)
 */
export const ArgumentsPlugin: GraphileConfig.Plugin = {
  name: "CurestryArgumentsPlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      GraphQLObjectType_fields_field_args(args) {
        for (const argument of Object.values(args)) argument.type = withoutNulls(argument.type);
        return args;
      },
      GraphQLInputObjectType_fields_field(field) {
        return { ...field, type: withoutNulls(field.type) };
      },
    },
  },
};
