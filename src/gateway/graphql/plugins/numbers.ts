import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { GraphQLError, Kind, type ValueNode } from "postgraphile/graphql";

/**
 * BigFloat and BigInt are answered as strings, which keep every digit; as input they take what
 * clients have at hand: JSON numbers, literals with or without quotes. Equal numbers are equal texts
 * ("1.0" is "1"), so that a repeated request is a repetition. NaN and Infinity are the database's to
 * refuse: its constraints name the item and the field, and the other items go on.
 */
export const NumbersPlugin: GraphileConfig.Plugin = {
  name: "CurestryNumbersPlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      GraphQLScalarType(config) {
        const pattern = patterns[config.name];
        if (pattern === undefined) return config;
        const parse = (value: unknown, node?: ValueNode): string => {
          const text = typeof value === "number" || typeof value === "bigint"
            ? String(value)
            : value;
          if (typeof text !== "string" || !pattern.test(text)) {
            throw new GraphQLError(`${config.name} must be a number, or a number in quotes`, {
              nodes: node ?? null,
            });
          }
          return withoutTrailingZeros(text);
        };
        return {
          ...config,
          parseValue: (value: unknown) => parse(value),
          parseLiteral(node: ValueNode) {
            const numeric = node.kind === Kind.INT || node.kind === Kind.FLOAT ||
              node.kind === Kind.STRING;
            return parse(numeric ? node.value : null, node);
          },
        };
      },
    },
  },
};

const patterns: Readonly<Record<string, RegExp>> = {
  BigFloat: /^([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?|NaN|-?Infinity)$/i,
  BigInt: /^[+-]?\d{1,19}$/,
};

function withoutTrailingZeros(text: string): string {
  return text.replace(/(\.\d*?)0+(?=e|$)/i, "$1").replace(/\.(?=e|$)/i, "");
}
