import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import {
  GraphQLList,
  GraphQLNonNull,
  type GraphQLType,
  isListType,
  isNonNullType,
} from "postgraphile/graphql";
import { tableOf } from "../table_of.ts";

/**
 * What cannot be null is not nullable: the items of lists, the nodes of edges, what functions answer that always
 * answer something, and the row that a key leads to which is never null, if whoever reads the one row may read the
 * other. What a request may be refused stays nullable, since it is null then: a refusal must not take the row with
 * it that it belongs to. So do the fields of Query, for the sake of their siblings.
 *
 * @param permissions the permission that each table needs, by "schema.table"
 */
export function makeNullabilityPlugin(
  permissions: ReadonlyMap<string, string>,
): GraphileConfig.Plugin {
  return {
    name: "CurestryNullabilityPlugin",
    version: "1.0.0",
    // Its refusable connections are made nullable there
    after: ["CurestryTableTypesPlugin"],
    schema: {
      hooks: {
        GraphQLObjectType_fields_field: {
          after: ["CurestryTableTypesPlugin"],
          callback(field, _build, { scope, Self }) {
            const type = withoutNulls(field.type);
            if (isNonNullType(type)) return { ...field, type };
            const details = scope.isPgSingleRelationField ? scope.pgRelationDetails : undefined;
            const always = (Self.name.endsWith("Edge") && scope.fieldName === "node") ||
              (Self.name.endsWith("Edge") && scope.fieldName === "cursor") ||
              (details !== undefined && isCertain(details, permissions));
            return { ...field, type: always ? new GraphQLNonNull(type) : type };
          },
        },
      },
    },
  };
}

/** The type of a field or an argument; if it is a list, then one whose items are never null. */
export function withoutNulls<T extends GraphQLType>(type: T): T {
  if (isNonNullType(type)) return new GraphQLNonNull(withoutNulls(type.ofType)) as GraphQLType as T;
  if (!isListType(type) || isNonNullType(type.ofType)) return type;
  return new GraphQLList(new GraphQLNonNull(type.ofType)) as GraphQLType as T;
}

interface RelationDetails {
  codec: PgCodec;
  relationName: string;
  // deno-lint-ignore no-explicit-any -- the registry's type depends on every table of the database
  registry: { pgRelations: any };
}

function isCertain(details: RelationDetails, permissions: ReadonlyMap<string, string>): boolean {
  const relation = details.registry.pgRelations[details.codec.name]?.[details.relationName];
  if (relation === undefined || relation.isReferencee) return false;
  const isSet = relation.localAttributes.every((name: string) =>
    details.codec.attributes?.[name]?.notNull
  );
  const from = permissions.get(tableOf(details.codec));
  const to = tableOf(relation.remoteResource.codec);
  if (!isSet || from === undefined) return false;
  // Every request sees its organization; a membership may be in another one, which was joined just now
  if (to === "ops.organization") return tableOf(details.codec) !== "ops.organization_user";
  return permissions.get(to) === from;
}
