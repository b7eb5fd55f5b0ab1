import "./graphile_env.ts";
import {
  type DocumentNode,
  type FieldNode,
  getNamedType,
  getNullableType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from "postgraphile/graphql";
import { type ArgumentValues, makeArgumentValues } from "./argument_values.ts";
import { measureIntrospection } from "./measure_introspection.ts";
import { fragmentsOf, limits } from "./limits.ts";
import { seriesPoints } from "./series_points.ts";

/** Ten plain values cost as much as the object that they are in; those of the input, too. */
export const plainValueCost = 0.1;
/** A count or an aggregate is a statement of its own over many rows. */
const aggregateCost = 2;
/** Introspection is answered in one go, while nothing else is. */
const introspectionWeight = 2;
/** Fields of a connection that read more than its page. */
const aggregateFields = new Set(["totalCount", "aggregates", "groupedAggregates"]);

/** A field of an answer: its first occurrence, and the selections of all. */
interface AnswerField {
  parent: GraphQLNamedType;
  node: FieldNode;
  selections: SelectionSetNode[];
}

/** What an operation costs at most, and of how many pages its document speaks. */
interface Cost {
  cost: number;
  pages: number;
}

/** Costs that no variable changes. */
const known = new WeakMap<OperationDefinitionNode, Cost>();

/**
 * What an operation costs at most: 1 for each object that its answer may have, 0.1 for each plain
 * value, 2 for each count and aggregate. A list has as many rows as `first` or `last` says, and as the
 * page size if neither is there; a list below a list has so many for each row of that. Fields that
 * GraphQL merges count once, under each alias.
 *
 * The document has passed the limits and the rules of GraphQL.
 */
export function measureCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): Cost {
  const before = known.get(operation);
  if (before !== undefined) return before;
  let pages = 0;
  const fragments = fragmentsOf(document);
  const values = makeArgumentValues(operation, variables);
  const typeConditions = new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION
        ? [[definition.name.value, definition.typeCondition.name.value] as const]
        : []
    ),
  );

  /** The fields of selections, merged as GraphQL merges them. */
  function collect(
    parent: GraphQLNamedType,
    selections: readonly SelectionSetNode[],
    found = new Map<string, AnswerField>(),
  ): Map<string, AnswerField> {
    for (const node of selections.flatMap((set) => set.selections)) {
      if (isSkipped(node.directives, values)) continue;
      if (node.kind === Kind.FIELD) {
        const key = `${parent.name} ${node.alias?.value ?? node.name.value}`;
        let field = found.get(key);
        if (field === undefined) found.set(key, field = { parent, node, selections: [] });
        if (node.selectionSet) field.selections.push(node.selectionSet);
        continue;
      }
      const isSpread = node.kind === Kind.FRAGMENT_SPREAD;
      const inner = isSpread ? fragments.get(node.name.value) : node.selectionSet;
      const condition = isSpread
        ? typeConditions.get(node.name.value)
        : node.typeCondition?.name.value;
      const type = condition === undefined ? parent : schema.getType(condition) ?? parent;
      if (inner) collect(type, [inner], found);
    }
    return found;
  }

  /**
   * @param pageRows rows of the connection whose fields these are, or null
   * @returns the cost of one object's fields
   */
  function costOf(
    parent: GraphQLNamedType,
    selections: readonly SelectionSetNode[],
    pageRows: number | null,
  ): number {
    let cost = 0;
    for (const field of collect(parent, selections).values()) cost += costOfField(field, pageRows);
    return cost;
  }

  function costOfField({ parent, node, selections }: AnswerField, pageRows: number | null): number {
    const name = node.name.value;
    if (name === SchemaMetaFieldDef.name || name === TypeMetaFieldDef.name) {
      return introspectionWeight * measureIntrospection(schema, name, selections, fragments);
    }
    if (!isObjectType(parent) && !isInterfaceType(parent)) return plainValueCost;
    const definition = parent.getFields()[name];
    if (definition === undefined) return plainValueCost; // __typename
    const own = pageRows !== null && aggregateFields.has(name) ? aggregateCost : 0;
    const type = getNamedType(definition.type);
    if (!isCompositeType(type)) return own + plainValueCost;
    if (isConnection(type) && definition.args.some(({ name }) => name === "first")) {
      pages++;
      return own + 1 + costOf(type, selections, rowsOf(node, values));
    }
    const count = isList(definition.type)
      ? seriesPoints(name, node, values) ?? pageRows ?? limits.pageSize
      : 1;
    // The node of an edge is the row that the edge has counted already
    const object = parent.name.endsWith("Edge") && name === "node" ? 0 : 1;
    return own + count * (object + costOf(type, selections, null));
  }

  const root = schema.getRootType(operation.operation);
  const cost = root ? costOf(root, [operation.selectionSet], null) : 0;
  const found = { cost, pages };
  if (!values.haveVaried) known.set(operation, found);
  return found;
}

function isConnection(type: GraphQLNamedType): boolean {
  return isObjectType(type) && type.name.endsWith("Connection");
}

function isList(type: GraphQLOutputType): boolean {
  return isListType(getNullableType(type));
}

/** What `first` and `last` say, as plugins/page_size.ts understands them. */
function rowsOf(node: FieldNode, values: ArgumentValues): number {
  const [first, last] = ["first", "last"].map((name) =>
    values.scalarOf(node.arguments?.find((argument) => argument.name.value === name)?.value)
  );
  const rows = typeof first === "number" ? first : typeof last === "number" ? last : undefined;
  return Math.max(0, rows ?? limits.pageSize);
}

function isSkipped(directives: FieldNode["directives"], values: ArgumentValues): boolean {
  return directives?.some(({ name, arguments: given }) => {
    const condition = values.scalarOf(given?.[0]?.value);
    return (name.value === "skip" && condition === true) ||
      (name.value === "include" && condition === false);
  }) ?? false;
}
