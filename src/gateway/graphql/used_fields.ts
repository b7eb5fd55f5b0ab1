import {
  type DocumentNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "postgraphile/graphql";
import { fragmentsOf } from "./limits.ts";

/**
 * The root fields of an operation that got an answer, each as often as it was asked for under
 * another name. Not those that are null: refused, failed, or nothing there.
 */
export function usedFields(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  data: Readonly<Record<string, unknown>> | null | undefined,
): string[] {
  if (!data) return [];
  const fields = new Map<string, string>();
  const fragments = fragmentsOf(document);

  function collect(selectionSet: SelectionSetNode | undefined): void {
    for (const selection of selectionSet?.selections ?? []) {
      if (selection.kind === Kind.FIELD) {
        const name = selection.name.value;
        if (!name.startsWith("__")) fields.set(selection.alias?.value ?? name, name);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        collect(selection.selectionSet);
      } else {
        collect(fragments.get(selection.name.value));
      }
    }
  }

  collect(operation.selectionSet);
  return [...fields].filter(([key]) => data[key] !== null && data[key] !== undefined)
    .map(([, name]) => name);
}
