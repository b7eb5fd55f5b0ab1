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
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, _build, context) {
        const { isPgFieldConnection } = context.scope;
        const { plan, args } = field;
        if (!isPgFieldConnection || !plan || !args?.["first"]) return field;
        const { applyPlan: _applied, ...first } = args["first"];
        return {
          ...field,
          args: {
            ...args,
            first: {
              ...first,
              description: `${
                first.description ?? ""
              }\n\nAt most ${limits.pageSize}, which is also the default.`.trim(),
            },
          },
          plan($parent, fieldArgs, info) {
            const $connection = plan($parent, fieldArgs, info);
            const $last = args["last"] ? fieldArgs.getRaw(["last"]) : constant(null);
            const $first = lambda(list([fieldArgs.getRaw(["first"]), $last]), orDefault, true);
            if ($connection instanceof ConnectionStep) $connection.setFirst($first);
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
