import {
  type DocumentNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "postgraphile/graphql";
import { makeArgumentValues } from "./argument_values.ts";
import { fragmentsOf, limits } from "./limits.ts";

/** Operations whose page sizes are right, whatever the variables are. */
const right = new WeakSet<OperationDefinitionNode>();

/**
 * Checks `first` and `last` of every field of an operation, given literally or by a variable.
 *
 * @returns the refusals, none when all are between 0 and the page size
 */
export function checkPageSizes(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): GraphQLError[] {
  if (right.has(operation)) return [];
  const errors: GraphQLError[] = [];
  const fragments = fragmentsOf(document);
  const values = makeArgumentValues(operation, variables);
  const seen = new Set<SelectionSetNode>();

  function visit(selections: SelectionSetNode | undefined): void {
    if (selections === undefined || seen.has(selections)) return;
    seen.add(selections);
    for (const node of selections.selections) {
      if (node.kind === Kind.FRAGMENT_SPREAD) {
        visit(fragments.get(node.name.value));
        continue;
      }
      if (node.kind === Kind.FIELD) {
        for (const argument of node.arguments ?? []) {
          const name = argument.name.value;
          const value = name === "first" || name === "last"
            ? values.scalarOf(argument.value)
            : undefined;
          if (typeof value === "number" && (value < 0 || value > limits.pageSize)) {
            errors.push(
              new GraphQLError(
                `${name} of ${node.name.value} must be from 0 to ${limits.pageSize}; page on with after`,
                { nodes: argument, extensions: { code: "LIMIT" } },
              ),
            );
          }
        }
      }
      visit(node.selectionSet);
    }
  }

  visit(operation.selectionSet);
  if (errors.length === 0 && !values.haveVaried) right.add(operation);
  return errors;
}
