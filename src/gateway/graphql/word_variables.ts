import {
  type DocumentNode,
  getNamedType,
  type GraphQLSchema,
  Kind,
  TypeInfo,
  type TypeNode,
  visit,
  visitWithTypeInfo,
} from "postgraphile/graphql";
import { isWordEnum } from "./plugins/words.ts";

/**
 * Gives variables of type String that stand where one of the specification's words is meant the type of that word. The
 * API had strings there once, and documents of clients are kept for long.
 */
export function withWordVariables(schema: GraphQLSchema, document: DocumentNode): DocumentNode {
  const strings = new Set<string>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    for (const { variable, type } of definition.variableDefinitions ?? []) {
      if (nameOf(type) === "String") strings.add(variable.name.value);
    }
  }
  if (strings.size === 0) return document;
  const found = findWords(schema, document, strings);
  if (found.size === 0) return document;
  return visit(document, {
    VariableDefinition(node) {
      const word = found.get(node.variable.name.value);
      return word && nameOf(node.type) === "String"
        ? { ...node, type: renamed(node.type, word) }
        : undefined;
    },
  });
}

/** The enum of each variable that stands at places of one enum alone. */
function findWords(
  schema: GraphQLSchema,
  document: DocumentNode,
  names: ReadonlySet<string>,
): Map<string, string> {
  const places = new Map<string, Set<string>>();
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      VariableDefinition: () => false,
      Variable({ name: { value: name } }) {
        if (!names.has(name)) return;
        const type = getNamedType(types.getInputType());
        const known = places.get(name) ?? new Set();
        places.set(name, known.add(isWordEnum(type) ? type.name : ""));
      },
    }),
  );
  const found = new Map<string, string>();
  for (const [name, [word, ...others]] of places) {
    if (word && others.length === 0) found.set(name, word);
  }
  return found;
}

function nameOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : nameOf(type.type);
}

function renamed<T extends TypeNode>(type: T, name: string): T {
  return type.kind === Kind.NAMED_TYPE
    ? { ...type, name: { ...type.name, value: name } }
    : { ...type, type: renamed(type.type, name) };
}
