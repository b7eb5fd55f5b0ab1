import {
  type DocumentNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from "postgraphile/graphql";
import { fragmentsOf, limits } from "./limits.ts";

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
  const errors: GraphQLError[] = [];
  const fragments = fragmentsOf(document);
  const seen = new Set<SelectionSetNode>();

  function valueOf(node: ValueNode): unknown {
    if (node.kind === Kind.INT) return Number(node.value);
    if (node.kind !== Kind.VARIABLE) return undefined;
    const name = node.name.value;
    if (variables && Object.hasOwn(variables, name)) return variables[name];
    const definition = operation.variableDefinitions?.find((variable) =>
      variable.variable.name.value === name
    );
    return definition?.defaultValue && valueOf(definition.defaultValue);
  }

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
          const value = name === "first" || name === "last" ? valueOf(argument.value) : undefined;
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
  return errors;
}
