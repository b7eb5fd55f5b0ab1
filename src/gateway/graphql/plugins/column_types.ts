import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { GraphQLNonNull, isNonNullType } from "postgraphile/graphql";
import { listOfCodec, type PgCodec, TYPES } from "postgraphile/@dataplan/pg";

/** A JSON array of strings as what it is; the comment of such a column says `@strings`. */
const stringsCodec: PgCodec = {
  ...listOfCodec(TYPES.text, { name: "strings", identifier: TYPES.jsonb.sqlType }),
  fromPg: (value: string) => JSON.parse(value),
  toPg: (value: unknown) => JSON.stringify(value),
};

/**
 * A numeric that is answered as a number. What clients send is BigFloat all the same, which takes numbers with and
 * without quotes.
 */
const doubleCodec: PgCodec = {
  ...TYPES.numeric,
  name: "double",
  fromPg: Number,
  domainOfCodec: TYPES.numeric,
};

/** Digits that a double keeps of any decimal number. */
const digitsOfDouble = 15;

/**
 * The API's types of columns where PostgreSQL's say less, or more than is so:
 *
 * - `numeric` is Float where a double has all its digits, in marts, whose means and sums are no exact decimals, and
 *   where a comment says `@float`: of a score nobody gives the seventeenth digit
 * - `bigint` in a mart is Int: nothing is counted there that comes near two billion in a bucket
 * - `@strings`: a JSON array that a CHECK allows nothing but strings in is `[String!]`
 */
export const ColumnTypesPlugin: GraphileConfig.Plugin = {
  name: "CurestryColumnTypesPlugin",
  version: "1.0.0",
  gather: {
    hooks: {
      pgCodecs_attribute(_info, { attribute, pgAttribute, pgClass }) {
        const isMart = pgClass.getNamespace()?.nspname === "mart";
        if (attribute.extensions?.tags?.["strings"]) attribute.codec = stringsCodec;
        else if (attribute.codec === TYPES.bigint && isMart) attribute.codec = TYPES.int;
        else if (attribute.codec === TYPES.numeric) {
          const isDouble = isMart || isShort(pgAttribute.atttypmod) ||
            attribute.extensions?.tags?.["float"];
          if (isDouble) attribute.codec = isMart ? TYPES.float : doubleCodec;
        }
      },
      pgProcedures_PgResourceOptions(_info, { pgProc, resourceOptions }) {
        if (pgProc.getTagsAndDescription().tags["float"]) resourceOptions.codec = TYPES.float;
      },
    },
  },
  schema: {
    hooks: {
      init: {
        before: ["PgCodecs"],
        callback(init, build) {
          build.setGraphQLTypeForPgCodec(doubleCodec, ["output", "input"], "Float");
          return init;
        },
      },
      GraphQLInputObjectType_fields_field(field, build, { scope }) {
        if (scope.pgAttribute?.codec !== doubleCodec) return field;
        const type = build.getInputTypeByName("BigFloat");
        return { ...field, type: isNonNullType(field.type) ? new GraphQLNonNull(type) : type };
      },
    },
  },
};

/** Whether a numeric's type modifier says that it has no more digits than a double keeps. */
function isShort(modifier: number | null): boolean {
  return modifier !== null && modifier >= 0 && ((modifier - 4) >> 16) <= digitsOfDouble;
}

/** Whether a column's values are doubles. */
export function isFloat(codec: PgCodec): boolean {
  return codec === TYPES.float || codec === TYPES.float4 || codec === doubleCodec;
}

/** Whether a column's values are whole numbers. */
export function isWhole(codec: PgCodec): boolean {
  return codec === TYPES.int || codec === TYPES.int2 || codec === TYPES.bigint;
}
