import {
  type DocumentNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  visit,
} from "postgraphile/graphql";
import { isRecord } from "../is_record.ts";
import { fragmentsOf } from "./limits.ts";

/** Begins the text by which app.analysis_item_problems knows an item that never reached the database. */
const marker = "\uFDD0";

type Variables = Readonly<Record<string, unknown>>;

/** The variables to go on with, and the name of one that has a text which cannot be stored. */
export interface StorableVariables {
  variables: Variables | null | undefined;
  /** What is wrong with a text outside of items of recordAnalyses; null if nothing is. */
  problem: string | null;
}

/**
 * PostgreSQL stores no text with the character NUL, and none with half of a surrogate pair. An item of
 * recordAnalyses that has one is replaced by its reason, which becomes its outcome: the other items
 * are recorded. Anywhere else such a half is a mistake of the whole request; NUL the database refuses.
 */
export function setAsideBadItems(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables | null | undefined,
): StorableVariables {
  if (!variables) return { variables, problem: null };
  const recording = recordingVariables(document, operation);
  let problem: string | null = null;
  const entries = Object.entries(variables).map(([name, value]) => {
    if (recording.has(name)) return [name, replaceItems(value)];
    const found = findBadText(value, name, /[\uD800-\uDFFF]/u);
    if (found !== null) problem ??= `${found.path}: ${found.reason}`;
    return [name, value];
  });
  return { variables: Object.fromEntries(entries), problem };
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

/** A variable is the input, its list of items, or one item. */
function replaceItems(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(replaceItem);
  if (isRecord(value) && Array.isArray(value["items"])) {
    return { ...value, items: value["items"].map(replaceItem) };
  }
  return replaceItem(value);
}

function replaceItem(item: unknown): unknown {
  // deno-lint-ignore no-control-regex
  const found = findBadText(item, "", /\u0000|[\uD800-\uDFFF]/u);
  return found === null ? item : { promptContent: `${marker}${found.path}: ${found.reason}` };
}

function findBadText(
  value: unknown,
  path: string,
  pattern: RegExp,
): { path: string; reason: string } | null {
  if (typeof value === "string") {
    const bad = pattern.exec(value)?.[0];
    if (bad === undefined) return null;
    const what = bad === "\0" ? "the character NUL" : "half of a surrogate pair";
    return { path, reason: `a text contains ${what}, which cannot be stored` };
  }
  if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) {
      const found = findBadText(inner, `${path}[${index}]`, pattern);
      if (found) return found;
    }
    return null;
  }
  if (!isRecord(value)) return null;
  for (const [key, inner] of Object.entries(value)) {
    const inside = path === "" ? key : `${path}.${key}`;
    const found = findBadText(key, inside.toWellFormed(), pattern) ??
      findBadText(inner, inside, pattern);
    if (found) return found;
  }
  return null;
}
