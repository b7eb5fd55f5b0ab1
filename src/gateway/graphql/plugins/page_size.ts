import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { ConnectionStep, constant, lambda, list } from "postgraphile/grafast";
import { limits } from "../limits.ts";

/**
 * A list without `first` and `last` answers its first 100 rows. (More than 100 are refused before
 * planning, see limits.ts.)
 */
export const PageSizePlugin: GraphileConfig.Plugin = {
  name: "CurestryPageSizePlugin",
  version: "1.0.0",
  after: ["PgFirstLastBeforeAfterArgsPlugin"],
  schema: {
    hooks: {
      GraphQLObjectType_fields_field_args(args, _build, context) {
        const first = args["first"];
        if (!context.scope.isPgFieldConnection || !first) return args;
        // The field's plan, below, applies it together with the default.
        delete first.applyPlan;
        first.description = `Only read the first \`n\` values of the set: at most ` +
          `${limits.pageSize}, which is also the default.`;
        return args;
      },

      GraphQLObjectType_fields_field(field, _build, context) {
        const { plan } = field;
        if (!context.scope.isPgFieldConnection || !plan) return field;
        return {
          ...field,
          plan($parent, args, info) {
            const $connection = plan($parent, args, info);
            const has = (name: string) =>
              info.field.args.some((argument) => argument.name === name);
            if ($connection instanceof ConnectionStep && has("first")) {
              const $last = has("last") ? args.getRaw(["last"]) : constant(null);
              $connection.setFirst(lambda(list([args.getRaw(["first"]), $last]), orDefault, true));
            }
            return $connection;
          },
        };
      },
    },
  },
};

function orDefault([first, last]: readonly unknown[]): number | null {
  if (typeof first === "number") return first;
  return typeof last === "number" ? null : limits.pageSize;
}
