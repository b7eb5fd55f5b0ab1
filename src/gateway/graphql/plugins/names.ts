import "postgraphile";
import "@graphile/simplify-inflection";
import type { GraphileConfig } from "graphile-config";
import { isWord } from "./words.ts";

/** The column that every tenant table's keys begin with; it is the request's, never an argument. */
export const tenantKey = "organization_id";

/**
 * Names of the API: no schema prefix, `id` the row's own id and `nodeId` the global
 * one, and the tenant key left out of the names of finders, mutations and relations:
 * `prompt(id:)`, `updatePrompt(input: {id, patch})`, `analysisRun.prompt`, `prompt.analysisRuns`.
 */
export const NamesPlugin: GraphileConfig.Plugin = {
  name: "CurestryNamesPlugin",
  version: "1.0.0",
  // Of several plugins that replace an inflector, the last one sees the result of the others.
  after: [
    "PgAttributesPlugin",
    "PgTablesPlugin",
    "PgRelationsPlugin",
    "PgRowByUniquePlugin",
    "PgMutationUpdateDeletePlugin",
    "PgSimplifyInflectionPlugin",
  ],
  inflection: {
    ignoreReplaceIfNotExists: ["nodeIdFieldName"],
    replace: {
      _schemaPrefix() {
        return "";
      },

      nodeIdFieldName() {
        return "nodeId";
      },

      /** PostGraphile calls a column id "rowId", to keep `id` for the global one. */
      _attributeName(previous, _options, details) {
        const name = previous!(details);
        if (details.skipRowId || name !== "row_id" || details.codec.isAnonymous) return name;
        const attribute = details.codec.attributes[details.attributeName];
        const base = attribute?.extensions?.tags?.["name"] ?? details.attributeName;
        return String(base).toLowerCase() === "id" ? "id" : name;
      },

      _joinAttributeNames(previous, _options, codec, names) {
        return previous!(codec, withoutTenant(names));
      },

      _getBaseNameFromKeys(previous, _options, keys) {
        const own = keys.filter((key) => key.attributeName !== tenantKey);
        return previous!(own.length > 0 ? own : keys);
      },

      /** Many series are called as one is: not "timeserieses", nor "a timesery". */
      distinctPluralize(previous, _options, word) {
        return /series$/i.test(word) ? word : previous!(word);
      },
      singularize(previous, _options, word) {
        return /series$/i.test(word) ? word : previous!(word);
      },

      /** A table's comment may say what a list of its rows is called: `@list analyses_by_day`. */
      allRowsConnection(previous, _options, resource) {
        const name = listName(resource.codec);
        return name === null ? previous!(resource) : this.camelCase(name);
      },

      /** The specification's words are enums' values as they are written there. */
      enumValue(previous, _options, value, codec) {
        return isWord(value) ? value : previous!(value, codec);
      },

      rowByUnique(previous, _options, details) {
        if (!isById(details.unique)) return previous!(details);
        const singular = this.camelCase(this._singularizedCodecName(details.resource.codec));
        // One series has the name of many.
        return singular === this.distinctPluralize(singular) ? `${singular}ById` : singular;
      },
      updateByKeysField(previous, _options, details) {
        if (!isById(details.unique)) return previous!(details);
        return this.camelCase(`update-${this._singularizedCodecName(details.resource.codec)}`);
      },
      updateByKeysInputType(previous, _options, details) {
        if (!isById(details.unique)) return previous!(details);
        return this.upperCamelCase(`${this.updateByKeysField(details)}-input`);
      },
      deleteByKeysField(previous, _options, details) {
        if (!isById(details.unique)) return previous!(details);
        return this.camelCase(`delete-${this._singularizedCodecName(details.resource.codec)}`);
      },
      deleteByKeysInputType(previous, _options, details) {
        if (!isById(details.unique)) return previous!(details);
        return this.upperCamelCase(`${this.deleteByKeysField(details)}-input`);
      },

      /** The many sides of a relation have the plain plural, unless two keys lead to one table. */
      _manyRelation(previous, _options, details) {
        const { registry, codec, relationName } = details;
        const relations = registry.pgRelations[codec.name] ?? {};
        const relation = relations[relationName];
        const same = Object.values(relations).filter((other) =>
          other.isReferencee && other.remoteResource === relation?.remoteResource
        );
        if (
          relation === undefined || same.length !== 1 ||
          typeof relation.extensions?.tags?.["foreignFieldName"] === "string"
        ) return previous!(details);
        return this.camelCase(
          this.distinctPluralize(this._singularizedCodecName(relation.remoteResource.codec)),
        );
      },
    },
  },
};

function withoutTenant(names: readonly string[]): string[] {
  const own = names.filter((name) => name !== tenantKey);
  return own.length > 0 ? own : [...names];
}

function isById(unique: { attributes: readonly string[] }): boolean {
  return unique.attributes.length === 1 && unique.attributes[0] === "id";
}

function listName(
  codec: { extensions?: { tags?: Readonly<Record<string, unknown>> } },
): string | null {
  const name = codec.extensions?.tags?.["list"];
  return typeof name === "string" ? name : null;
}
