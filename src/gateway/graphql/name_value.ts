import {
  type ASTNode,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  isEnumType,
  Kind,
  visit,
} from "postgraphile/graphql";

/** What graphql-js says of a variable's value: `… got invalid value "x" at "prompt.formatType"; Value …`. */
const ofVariable = /^Variable "\$(\w+)" got invalid value .*?(?: at "\w+\.?([^"]*)")?; (.*)$/s;
const unknownWord = /^Value "[^"]*" does not exist in "(\w+)" enum/;

/**
 * Says of a value that does not fit which field it is of, and what fits: `formatType must be auto, text, markdown or
 * xml`, in the message and as `extensions.field`. Other errors stay as they are.
 */
export function nameValue(
  error: GraphQLError,
  schema: GraphQLSchema,
  document: DocumentNode,
): GraphQLError {
  if (error.path !== undefined) return error;
  const [, variable, path, said] = ofVariable.exec(error.message) ?? [];
  const node = error.nodes?.[0];
  const field = variable !== undefined
    ? path || variable
    : node !== undefined && isValue(node)
    ? fieldAround(node, document)
    : undefined;
  if (field === undefined) return error;
  const missing = /^Field "(\w+)" of required type/.exec(said ?? error.message)?.[1];
  if (missing !== undefined) {
    const message = `${missing} is required`;
    const extensions = { ...error.extensions, field: missing };
    return new GraphQLError(message, { nodes: error.nodes ?? null, extensions });
  }
  const words = wordsOf(schema, said ?? error.message);
  const message = words === null
    ? `${field}: ${said ?? error.message}`
    : `${field} must be ${words}`;
  const extensions = { ...error.extensions, field: field.replace(/^.*\.|\[\d+\]$/g, "") };
  return new GraphQLError(message, { nodes: error.nodes ?? null, extensions });
}

/** What an enum takes, as a list in words; null if a message is of something else. */
export function wordsOf(schema: GraphQLSchema, message: string): string | null {
  const type = schema.getType(unknownWord.exec(message)?.[1] ?? "");
  if (!isEnumType(type)) return null;
  return type.getValues().map(({ name }) => name).join(", ").replace(/, ([^,]*)$/, " or $1");
}

function isValue({ kind }: ASTNode): boolean {
  return kind.endsWith("Value");
}

/** The argument, or the field of an input, whose value a node is, or is in. */
function fieldAround(node: ASTNode, document: DocumentNode): string | undefined {
  let field: string | undefined;
  visit(document, {
    enter(entered, _key, parent, _path, ancestors) {
      if (!isValue(entered) || entered.loc?.start !== node.loc?.start) return undefined;
      const named = [...ancestors, parent].filter((above): above is ASTNode =>
        above !== undefined && "kind" in above
      )
        .findLast(({ kind }) => kind === Kind.ARGUMENT || kind === Kind.OBJECT_FIELD);
      if (named && "name" in named) field = named.name?.value;
      return false;
    },
  });
  return field;
}
