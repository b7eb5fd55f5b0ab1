import {
  coerceInputValue,
  type DocumentNode,
  getNamedType,
  GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
  Kind,
  type NamedTypeNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
  typeFromAST,
  visit,
} from "postgraphile/graphql";
import { isRecord } from "../../shared/is_record.ts";
import { fragmentsOf } from "./limits.ts";
import { wordsOf } from "./name_value.ts";

/** Begins the text by which app.analysis_item_problems knows an item that never reached the database. */
const marker = "\uFDD0";

type Variables = Readonly<Record<string, unknown>>;

/** The variables to go on with, and the name of one that has a text which cannot be stored. */
export interface StorableVariables {
  variables: Variables | null | undefined;
  /** What is wrong with a text outside of items of recordAnalyses, and its field; null if nothing is. */
  problem: GraphQLError | null;
}

/**
 * PostgreSQL stores no text with the character NUL, and none with half of a surrogate pair. An item of
 * recordAnalyses that has one is replaced by its reason, which becomes its outcome: the other items
 * are recorded. Anywhere else such a text is a mistake of the whole request.
 */
export function setAsideBadItems(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables | null | undefined,
): StorableVariables {
  if (!variables) return { variables, problem: null };
  const recording = recordingVariables(document, operation);
  let problem: StorableVariables["problem"] = null;
  const entries = Object.entries(variables).map(([name, value]) => {
    if (recording.has(name)) return [name, replaceItems(value, textProblem)];
    const found = findBadText(value, name);
    if (found !== null) {
      const field = fieldOf(schema, operation, found.path);
      problem ??= new GraphQLError(`${found.path}: ${found.reason}`, {
        extensions: { code: "INVALID", field },
      });
    }
    return [name, value];
  });
  return { variables: Object.fromEntries(entries), problem };
}

/**
 * The same for items that have an unknown word, field or type. Only once the variables were refused: to look at each
 * value takes as long as to coerce it.
 *
 * @returns null if no item is to blame
 */
export function setAsideMistypedItems(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables | null | undefined,
): Variables | null {
  const type = typeOfItems(schema);
  if (!variables || type === null) return null;
  const recording = recordingVariables(document, operation);
  let isMistyped = false;
  const badType = (item: unknown) => {
    const problem = findBadType(schema, item, type);
    isMistyped ||= problem !== null;
    return problem;
  };
  const entries = Object.entries(variables).map(([name, value]) =>
    recording.has(name) && holdsItems(operation, name)
      ? [name, replaceItems(value, badType)]
      : [name, value]
  );
  return isMistyped ? Object.fromEntries(entries) : null;
}

/** The variables from which recordAnalyses gets its items. */
function recordingVariables(
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Set<string> {
  const names = new Set<string>();
  const fragments = fragmentsOf(document);
  const seen = new Set<SelectionSetNode>();
  function collect(selections: SelectionSetNode | undefined): void {
    if (selections === undefined || seen.has(selections)) return;
    seen.add(selections);
    for (const node of selections.selections) {
      if (node.kind === Kind.FRAGMENT_SPREAD) collect(fragments.get(node.name.value));
      else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet);
      else if (node.name.value === "recordAnalyses") {
        for (const argument of node.arguments ?? []) {
          visit(argument, { Variable: (variable) => void names.add(variable.name.value) });
        }
      }
    }
  }
  if (operation.operation === "mutation") collect(operation.selectionSet);
  return names;
}

/** Whether a variable is items, and not a part of one. */
function holdsItems(operation: OperationDefinitionNode, name: string): boolean {
  const definition = operation.variableDefinitions?.find(({ variable }) =>
    variable.name.value === name
  );
  let type = definition?.type;
  while (type !== undefined && type.kind !== Kind.NAMED_TYPE) type = type.type;
  return ["AnalysisItemInput", "RecordAnalysesInput"].includes(type?.name.value ?? "");
}

/** The type of an item of recordAnalyses; null if this API does not have it. */
function typeOfItems(schema: GraphQLSchema): GraphQLInputType | null {
  const input = getNamedType(
    schema.getMutationType()?.getFields()["recordAnalyses"]?.args.find(({ name }) =>
      name === "input"
    )?.type,
  );
  const items = isInputObjectType(input) ? getNamedType(input.getFields()["items"]?.type) : null;
  return isInputObjectType(items) ? items : null;
}

/**
 * A variable is the input, its list of items, or one item.
 *
 * @param problemOf what is wrong with an item, in words; null if nothing is
 */
function replaceItems(value: unknown, problemOf: (item: unknown) => string | null): unknown {
  const replace = (item: unknown) => {
    const problem = problemOf(item);
    return problem === null ? item : { promptContent: `${marker}${problem}` };
  };
  if (Array.isArray(value)) return value.map(replace);
  if (isRecord(value) && Array.isArray(value["items"])) {
    return { ...value, items: value["items"].map(replace) };
  }
  return replace(value);
}

function textProblem(item: unknown): string | null {
  const found = findBadText(item, "");
  return found === null ? null : `${found.path}: ${found.reason}`;
}

/** What does not fit the type of an item, in words: "status must be queued or running". */
function findBadType(schema: GraphQLSchema, item: unknown, type: GraphQLInputType): string | null {
  let problem: string | null = null;
  coerceInputValue(item, type, (path, _value, error) => {
    const field = path.map((key) => typeof key === "number" ? `[${key}]` : `.${key}`).join("")
      .replace(/^\./, "");
    const words = wordsOf(schema, error.message);
    problem ??= words === null ? `${field}: ${error.message}` : `${field} must be ${words}`;
  });
  return problem;
}

/** The innermost field of an input on the way to a value, which may be inside of JSON; else the variable. */
function fieldOf(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  path: string,
): string {
  const [variable = "", ...names] = path.split(/\.|\[\d+\]/).filter(Boolean);
  const definition = operation.variableDefinitions?.find(({ variable: { name } }) =>
    name.value === variable
  );
  let type = definition && getNamedType(typeFromAST(schema, definition.type as NamedTypeNode));
  let field = variable;
  for (const name of names) {
    const next = isInputObjectType(type) ? type.getFields()[name] : undefined;
    if (next === undefined) break;
    field = name;
    type = getNamedType(next.type);
  }
  return field;
}

// deno-lint-ignore no-control-regex
const badText = /\u0000|[\uD800-\uDFFF]/u;

function findBadText(
  value: unknown,
  path: string,
): { path: string; reason: string } | null {
  if (typeof value === "string") {
    const bad = badText.exec(value)?.[0];
    if (bad === undefined) return null;
    const what = bad === "\0" ? "the character NUL" : "half of a surrogate pair";
    return { path, reason: `a text contains ${what}, which cannot be stored` };
  }
  if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) {
      const found = findBadText(inner, `${path}[${index}]`);
      if (found) return found;
    }
    return null;
  }
  if (!isRecord(value)) return null;
  for (const [key, inner] of Object.entries(value)) {
    const inside = path === "" ? key : `${path}.${key}`;
    const found = findBadText(key, inside.toWellFormed()) ??
      findBadText(inner, inside);
    if (found) return found;
  }
  return null;
}
