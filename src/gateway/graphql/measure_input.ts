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

/** What the text of a document says about its input: literals, and each use of a variable. */
interface LiteralInput extends InputSize {
  uses: readonly string[];
}

const literals = new WeakMap<OperationDefinitionNode, LiteralInput>();

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
  let literal = literals.get(operation);
  if (literal === undefined) {
    literals.set(operation, literal = measureLiterals(document, operation));
  }
  const total = { values: literal.values, objects: literal.objects };
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

  for (const name of literal.uses) addVariable(name);
  // What no argument uses is checked all the same, by its type
  for (const name of Object.keys(variables ?? {})) if (!known.has(name)) addVariable(name);
  return total;
}

function measureLiterals(
  document: DocumentNode,
  operation: OperationDefinitionNode,
): LiteralInput {
  const size = { values: 0, objects: 0 };
  const uses: string[] = [];
  function add(node: ValueNode): void {
    if (node.kind === Kind.VARIABLE) return void uses.push(node.name.value);
    if (node.kind !== Kind.LIST) size.values++;
    if (node.kind === Kind.OBJECT) {
      size.objects++;
      for (const field of node.fields) add(field.value);
    } else if (node.kind === Kind.LIST) node.values.forEach(add);
  }
  // Fragments too, whether or not the operation spreads them
  visit(document, {
    OperationDefinition: (node) => node === operation ? undefined : false,
    Argument(node) {
      add(node.value);
      return false;
    },
    VariableDefinition(node) {
      if (node.defaultValue) add(node.defaultValue);
      return false;
    },
  });
  return { ...size, uses };
}
