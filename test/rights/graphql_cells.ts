import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  buildSchema,
  getNamedType,
  type GraphQLField,
  GraphQLInputObjectType,
  GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isNonNullType,
} from "postgraphile/graphql";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { allows, holds, type Rights, type Verb, type Whose, whoseRows } from "./rights.ts";
import type { Row, Targets } from "./table_cells.ts";
import type { Principal } from "./world.ts";

/** A field of a document that tries one cell. */
export interface Probe {
  /** What is tried, in words. */
  cell: string;
  /** The root field; `$name` stands for a variable of its own. */
  field: string;
  /** GraphQL types of its variables. */
  types: Record<string, string>;
  /** Their values for a principal; null: there is nothing to ask for. */
  values(targets: Targets, principal: Principal): Record<string, unknown> | null;
  /** Asks for no row in particular. */
  isList?: boolean;
  expects(principal: Principal): boolean;
  /** Whether what came back is something. */
  found(answer: unknown): boolean;
}

/** The types of the API, by name, with their tables. */
export interface ApiType {
  table: string;
  name: string;
  /** Field of Query that lists all. */
  list: string;
  fields: Record<string, GraphQLField<unknown, unknown>>;
}

/** The tracked schema of members. */
export async function readSchema(): Promise<GraphQLSchema> {
  return buildSchema(await readFile(join(repositoryRoot, "schema.graphql"), "utf8"));
}

/** The API's type of each table that has one. */
export function apiTypes(schema: GraphQLSchema, rights: Rights): Map<string, ApiType> {
  const queries = Object.values(schema.getQueryType()?.getFields() ?? {});
  return new Map(
    Object.entries(rights.tables).flatMap(([table, { type: name }]) => {
      if (name === undefined) return [];
      const type = schema.getType(name);
      if (!(type instanceof GraphQLObjectType)) throw new Error(`There is no type ${name}`);
      const list = queries.find(({ type, args }) =>
        getNamedType(type).name === `${name}Connection` && args.some(({ name }) =>
          name === "orderBy"
        )
      )?.name ?? "";
      return [[name, { table, name, list, fields: type.getFields() }]];
    }),
  );
}

/** Probes that read: by id and node id, in lists, filtered, ordered and counted. */
export function readProbes(schema: GraphQLSchema, rights: Rights): Probe[] {
  const probes: Probe[] = [];
  for (const type of apiTypes(schema, rights).values()) {
    const entry = rights.tables[type.table] ?? {};
    const anything = (principal: Principal) =>
      whoseRows(entry).some((whose) => allows(entry, principal, "select", whose));
    const filter = schema.getType(`${type.name}Filter`);
    const filters = filter instanceof GraphQLInputObjectType ? filter.getFields() : {};
    for (const whose of whoseRows(entry)) {
      const expects = (principal: Principal) => allows(entry, principal, "select", whose);
      for (const { field, types, values } of finders(schema, type, "Query", whose)) {
        const cell = `${field.split("(")[0]} → ${type.table} (${whose})`;
        const found = (answer: unknown) => answer !== null;
        probes.push({ cell, field: `${field} { nodeId }`, types, values, expects, found });
      }
      if ("id" in filters) {
        probes.push({
          cell: `${type.list}(filter) → ${type.table} (${whose})`,
          field: `${type.list}(filter: { id: { equalTo: $id } }) { totalCount }`,
          types: { id: inputType(type, "id") },
          values: (targets) => pick(targets, type.table, whose, ["id"]),
          expects,
          found: (answer) => (answer as { totalCount: number }).totalCount > 0,
        });
      }
    }
    const orders = schema.getType(`${type.name}OrderBy`);
    const orderBy = isEnumType(orders) ? orders.getValues().at(-1)?.name : "NATURAL";
    probes.push({
      cell: `${type.list}(orderBy) → ${type.table}`,
      field: `${type.list}(first: 100, orderBy: [${orderBy}]) { nodes { nodeId } totalCount }`,
      types: {},
      isList: true,
      values: () => ({}),
      expects: anything,
      found: (answer) => (answer as { totalCount: number }).totalCount > 0,
    });
    const aggregates = schema.getType(`${type.name}DistinctCountAggregates`);
    if (aggregates instanceof GraphQLObjectType) {
      const [column = ""] = Object.keys(aggregates.getFields()).filter((name) => name !== "keys");
      probes.push({
        cell: `${type.list} { aggregates } → ${type.table}`,
        field: `${type.list} { aggregates { distinctCount { ${column} } } }`,
        types: {},
        isList: true,
        values: () => ({}),
        expects: anything,
        found: (answer) =>
          Number(
            (answer as { aggregates: { distinctCount: Record<string, string> } }).aggregates
              .distinctCount[column] ?? 0,
          ) > 0,
      });
    }
  }
  for (
    const [name, field] of [
      ["core.prompts_by_tags(text[],core.tag_match)", `promptsByTags(tags: ["seed"])`],
      ["core.high_entropy_analyses(double precision)", "highEntropyAnalyses(threshold: 0)"],
      ["ops.judge_scores_by_score(numeric,numeric,uuid,boolean)", "judgeScoresByScore(atLeast: 0)"],
    ] as const
  ) {
    probes.push({
      cell: `${field.split("(")[0]} → ${name}`,
      field: `${field} { nodes { nodeId } totalCount }`,
      types: {},
      isList: true,
      values: () => ({}),
      expects: (principal) => holds(principal, rights.functions[name]?.permission ?? "", "own"),
      found: (answer) => (answer as { totalCount: number }).totalCount > 0,
    });
  }
  return probes;
}

/** The fields of Query or Mutation that name one row, by each of its keys. */
export function finders(
  schema: GraphQLSchema,
  type: ApiType,
  root: "Query",
  whose: Whose,
): Pick<Probe, "field" | "types" | "values">[] {
  const fields = Object.values(
    schema.getType(root) instanceof GraphQLObjectType
      ? (schema.getType(root) as GraphQLObjectType).getFields()
      : {},
  );
  const byKey = fields.filter(({ type: result, args }) =>
    String(result) === type.name && args.length > 0 && args.every(({ type }) => isNonNullType(type))
  ).map(({ name, args }) => ({
    field: `${name}(${args.map(({ name }) => `${name}: $${name}`).join(", ")})`,
    types: Object.fromEntries(args.map(({ name, type }) => [name, String(type)])),
    values: (targets: Targets) =>
      pick(targets, type.table, whose, args.map(({ name }) => name), type.name),
  }));
  return [...byKey, {
    field: "node(nodeId: $nodeId)",
    types: { nodeId: "ID!" },
    values: (targets: Targets) => pick(targets, type.table, whose, ["nodeId"], type.name),
  }];
}

/** Values of a target row by their names in the API; null if one of them is null. */
export function pick(
  targets: Targets,
  table: string,
  whose: Whose,
  names: string[],
  type = "",
): Record<string, unknown> | null {
  const row = targets.get(table)?.[whose]?.row;
  if (row === undefined) return null;
  const values = names.map((name) => [
    name,
    name === "nodeId" ? nodeIdOf(type, row) : row[snakeCase(name)] ?? null,
  ]);
  return values.some(([, value]) => value === null) ? null : Object.fromEntries(values);
}

/** The global id of a row. */
export function nodeIdOf(type: string, row: Row): string {
  const key = "organization_id" in row ? [row.organization_id, row.id] : [row.id];
  // The tables that are partitioned by time
  if (type === "AuditLog") key.splice(1, 0, row.ts);
  if (type === "FeatureEvent") key.splice(1, 0, row.occurred_at);
  return Buffer.from(JSON.stringify([type, ...key])).toString("base64");
}

/** The input type of a column, as a variable has it. */
function inputType(type: ApiType, name: string): string {
  const field = type.fields[name];
  return field ? String(getNamedType(field.type)) + "!" : "String!";
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A relation of a type to another: a field with one row of it, or with a list. */
export interface Relation {
  field: string;
  target: string;
  list: boolean;
}

/** The relations of a type. */
export function relationsOf(type: ApiType, types: Map<string, ApiType>): Relation[] {
  return Object.values(type.fields).flatMap(({ name, type }): Relation[] => {
    const target = getNamedType(type).name;
    if (types.has(target)) return [{ field: name, target, list: false }];
    const node = target.replace(/Connection$/, "");
    return node !== target && types.has(node) ? [{ field: name, target: node, list: true }] : [];
  });
}

/** Documents of as many probes as one may hold, and how their variables are called. */
export function documents(
  kind: "query" | "mutation",
  probes: Probe[],
  size = 10,
): { text: string; probes: Probe[] }[] {
  const result = [];
  for (let start = 0; start < probes.length; start += size) {
    const part = probes.slice(start, start + size);
    const variables = part.flatMap(({ types }, index) =>
      Object.entries(types).map(([name, type]) => `$${name}${index}: ${type}`)
    );
    const fields = part.map(({ field }, index) =>
      `p${index}: ${field.replace(/\$(\w+)/g, (_, name) => `$${name}${index}`)}`
    );
    const head = variables.length > 0 ? `${kind} (${variables.join(", ")})` : kind;
    result.push({ text: `${head} {\n${fields.join("\n")}\n}`, probes: part });
  }
  return result;
}

export type { Verb };
