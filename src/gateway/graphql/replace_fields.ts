import "./graphile_env.ts";
import {
  type DocumentNode,
  type FieldNode,
  getNamedType,
  getOperationAST,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "postgraphile/graphql";
import { fragmentsOf } from "./limits.ts";

/** A document with fields that are not asked for. */
export interface ReducedDocument {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  /** What stands in their place: `__typename` under the same key. */
  replaced: ReadonlyMap<FieldNode, Replaced>;
}

interface Replaced {
  reason: string;
  cannotBeNull: boolean;
}

/** A field of an answer that is null since it was not asked for. */
export interface ReplacedField {
  path: (string | number)[];
  node: FieldNode;
  reason: string;
}

/**
 * Takes fields out of a document.
 *
 * @param choose why a field is taken out, null if it stays
 * @returns null if all stay
 */
export function replaceFields(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  choose: (field: FieldNode, type: GraphQLNamedType, isRoot: boolean) => string | null,
): ReducedDocument | null {
  const types = new TypeInfo(schema);
  const replaced = new Map<FieldNode, Replaced>();
  const reduced = visit(
    document,
    visitWithTypeInfo(types, {
      Field(node) {
        const fieldType = types.getType();
        const type = getNamedType(fieldType);
        const parent = types.getParentType();
        if (!type) return undefined;
        const isRoot = parent === schema.getQueryType() || parent === schema.getMutationType();
        const reason = choose(node, type, isRoot);
        if (reason === null) return undefined;
        const name = node.alias ?? node.name;
        const placeholder: FieldNode = {
          kind: Kind.FIELD,
          alias: { kind: Kind.NAME, value: name.value },
          name: { kind: Kind.NAME, value: "__typename" },
          ...(node.directives ? { directives: node.directives } : {}),
          ...(node.loc ? { loc: node.loc } : {}),
        };
        replaced.set(placeholder, { reason, cannotBeNull: isNonNullType(fieldType) });
        return placeholder;
      },
    }),
  );
  const operation = getOperationAST(reduced, operationName);
  return replaced.size === 0 || !operation ? null : { document: reduced, operation, replaced };
}

/**
 * Finds which root fields ask, at any depth, for something that is to be left out.
 *
 * @param choose why a field is left out, null if it stays
 * @returns the reasons, by the keys of the root fields
 */
export function findRoots(
  schema: GraphQLSchema,
  document: DocumentNode,
  choose: (type: GraphQLNamedType, parent: GraphQLNamedType) => string | null,
): Map<string, string> {
  const types = new TypeInfo(schema);
  const found = new Map<string, string>();
  const roots: string[] = [];
  let root: string | null = null;
  let ofFragments: string | null = null;
  visit(
    document,
    visitWithTypeInfo(types, {
      FragmentDefinition: () => void (root = null),
      Field(node) {
        const parent = types.getParentType();
        if (parent === schema.getQueryType() || parent === schema.getMutationType()) {
          root = node.alias?.value ?? node.name.value;
          roots.push(root);
        }
        const type = getNamedType(types.getType());
        const reason = type && parent ? choose(type, parent) : null;
        if (reason === null) return;
        if (root === null) ofFragments ??= reason;
        else if (!found.has(root)) found.set(root, reason);
      },
    }),
  );
  // What a fragment asks for, any of them may ask for
  if (ofFragments !== null) {
    for (const key of roots) {
      found.set(key, found.get(key) ?? ofFragments);
    }
  }
  return found;
}

/** What becomes of an object when a field of it that cannot be null is. */
const nothing = Symbol("nothing");

/**
 * Makes the fields that were not asked for null in an answer, and, as GraphQL has it, the objects around
 * those that cannot be null.
 */
export function nullReplaced(
  schema: GraphQLSchema,
  { document, operation, replaced }: ReducedDocument,
  data: Record<string, unknown>,
): { data: Record<string, unknown> | null; fields: ReplacedField[] } {
  const fragments = fragmentsOf(document);
  const fields: ReplacedField[] = [];

  function inObject(
    value: Record<string, unknown>,
    parent: GraphQLNamedType,
    selections: readonly SelectionSetNode[],
    path: (string | number)[],
  ): Record<string, unknown> | typeof nothing {
    const inner = new Map<string, { node: FieldNode; selections: SelectionSetNode[] }>();
    let result: Record<string, unknown> | typeof nothing = value;
    function collect(set: SelectionSetNode | undefined): void {
      for (const node of set?.selections ?? []) {
        if (node.kind === Kind.FRAGMENT_SPREAD) collect(fragments.get(node.name.value));
        else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet);
        else {
          const key = node.alias?.value ?? node.name.value;
          if (!(key in value)) continue;
          const found = replaced.get(node);
          if (found !== undefined) {
            if (value[key] === null) continue;
            value[key] = null;
            fields.push({ path: [...path, key], node, reason: found.reason });
            if (found.cannotBeNull) result = nothing;
          } else if (node.selectionSet) {
            const known = inner.get(key);
            if (known) known.selections.push(node.selectionSet);
            else inner.set(key, { node, selections: [node.selectionSet] });
          }
        }
      }
    }
    for (const set of selections) collect(set);
    for (const [key, { node, selections: below }] of inner) {
      const type = isObjectType(parent) ? parent.getFields()[node.name.value]?.type : undefined;
      const completed = complete(value[key], type, below, [...path, key]);
      if (completed === nothing) result = nothing;
      else value[key] = completed;
    }
    return result;
  }

  function complete(
    value: unknown,
    type: GraphQLOutputType | undefined,
    selections: readonly SelectionSetNode[],
    path: (string | number)[],
  ): unknown {
    const cannotBeNull = type !== undefined && isNonNullType(type);
    const nullable = cannotBeNull ? type.ofType : type;
    let result: unknown = value;
    if (Array.isArray(value)) {
      const itemType = nullable && isListType(nullable) ? nullable.ofType : undefined;
      for (const [n, item] of value.entries()) {
        const completed = complete(item, itemType, selections, [...path, n]);
        if (completed === nothing) result = nothing;
        else value[n] = completed;
      }
    } else if (typeof value === "object" && value !== null && nullable) {
      result = inObject(
        value as Record<string, unknown>,
        getNamedType(nullable as GraphQLOutputType),
        selections,
        path,
      );
    }
    return result === nothing && !cannotBeNull ? null : result;
  }

  const root = schema.getRootType(operation.operation);
  const result = root ? inObject(data, root, [operation.selectionSet], []) : data;
  return { data: result === nothing ? null : result, fields };
}
