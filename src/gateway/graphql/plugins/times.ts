import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { GraphQLError, Kind, type ValueNode } from "postgraphile/graphql";

/**
 * Times and days are what RFC 3339 calls so. PostgreSQL would take "yesterday" as well, or "1/2/26", and mean by it what
 * its settings say. A day is its midnight, and a time without an offset one of UTC.
 */
export const TimesPlugin: GraphileConfig.Plugin = {
  name: "CurestryTimesPlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      GraphQLScalarType(config) {
        const rule = rules[config.name];
        if (rule === undefined) return config;
        const parse = (value: unknown, node?: ValueNode): string => {
          if (typeof value === "string" && rule.pattern.test(value) && isDay(value)) return value;
          throw new GraphQLError(`${config.name} must be ${rule.words}, not ${show(value)}`, {
            nodes: node ?? null,
          });
        };
        return {
          ...config,
          parseValue: (value: unknown) => parse(value),
          parseLiteral: (node: ValueNode) =>
            parse(node.kind === Kind.STRING ? node.value : null, node),
        };
      },
    },
  },
};

const day = /\d{4}-\d{2}-\d{2}/.source;
const time = /([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d{1,9})?)?/.source;
const offset = /(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)/.source;

const rules: Readonly<Record<string, { pattern: RegExp; words: string }>> = {
  Datetime: {
    pattern: new RegExp(`^${day}([T ]${time} ?${offset}?)?$`, "i"),
    words: "a time such as 2026-01-31T12:00:00Z",
  },
  Date: { pattern: new RegExp(`^${day}$`), words: "a day such as 2026-01-31" },
};

/** Whether a text begins with a day that the calendar has. */
function isDay(text: string): boolean {
  const [year = 0, month = 0, date = 0] = text.slice(0, 10).split("-").map(Number);
  const found = new Date(Date.UTC(year, month - 1, date));
  return year > 0 && found.getUTCMonth() === month - 1 && found.getUTCDate() === date;
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 50)) : "this";
}
