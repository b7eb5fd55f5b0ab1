import "./graphile_env.ts";
import {
  type DocumentNode,
  Kind,
  type OperationDefinitionNode,
  type ValueNode,
  visit,
} from "postgraphile/graphql";

/** How much an operation brings along, in its document and its variables. */
export interface InputSize {
  /** Plain values and objects, at every level. */
  values: number;
  /** Of those, the objects: in a filter each of them is a step to plan. */
  objects: number;
}

/**
 * Counts the values in the arguments of a document and in the variables of a request. A variable
 * counts each time that it is used.
 *
 * @param enough where counting stops
 */
export function measureInput(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
  enough: number,
): InputSize {
  const total = { values: 0, objects: 0 };
  const known = new Map<string, InputSize>();

  function addGiven(value: unknown, size: InputSize): void {
    if (size.values > enough) return;
    if (typeof value !== "object" || value === null) {
      size.values++;
      return;
    }
    if (!Array.isArray(value)) {
      size.values++;
      size.objects++;
    }
    for (const inner of Object.values(value)) addGiven(inner, size);
  }

  function addVariable(name: string): void {
    let size = known.get(name);
    if (size === undefined) {
      known.set(name, size = { values: 0, objects: 0 });
      if (variables && Object.hasOwn(variables, name)) addGiven(variables[name], size);
    }
    total.values += size.values;
    total.objects += size.objects;
  }

  function addLiteral(node: ValueNode): void {
    if (node.kind === Kind.VARIABLE) return addVariable(node.name.value);
    if (node.kind !== Kind.LIST) total.values++;
    if (node.kind === Kind.OBJECT) {
      total.objects++;
      for (const field of node.fields) addLiteral(field.value);
    } else if (node.kind === Kind.LIST) node.values.forEach(addLiteral);
  }

  // Fragments too, whether or not the operation spreads them
  visit(document, {
    OperationDefinition: (node) => node === operation ? undefined : false,
    Argument(node) {
      addLiteral(node.value);
      return false;
    },
    VariableDefinition(node) {
      if (node.defaultValue) addLiteral(node.defaultValue);
      return false;
    },
  });
  // What no argument uses is checked all the same, by its type
  for (const name of Object.keys(variables ?? {})) if (!known.has(name)) addVariable(name);
  return total;
}
