import type { GraphQLNamedType } from "postgraphile/graphql";

/** The table that a codec or a resource of PostGraphile is of, as "schema.table"; "" for what is of none. */
export function tableOf(
  { extensions }: { extensions?: { pg?: { schemaName: string; name: string } } | undefined },
): string {
  return extensions?.pg === undefined ? "" : `${extensions.pg.schemaName}.${extensions.pg.name}`;
}

/** The table that a type's rows are of, as `TableTypesPlugin` notes it: "schema.table"; "" for what is of none. */
export function tableOfType(type: GraphQLNamedType): string {
  return String(type.extensions["curestryTable"] ?? "");
}
