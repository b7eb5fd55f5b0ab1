import "./graphile_env.ts";
import { Kind, type OperationDefinitionNode, type ValueNode } from "postgraphile/graphql";

/** What the arguments of an operation are, literally or by its variables. */
export interface ArgumentValues {
  /** A number, a text or a boolean; null; undefined for lists and objects, and for what is not given. */
  scalarOf(node: ValueNode | undefined): unknown;
  /** Whether what was asked so far depends on the variables. */
  readonly haveVaried: boolean;
}

/** @param variables as they came with the request: not checked yet */
export function makeArgumentValues(
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): ArgumentValues {
  const defaults = new Map(
    operation.variableDefinitions?.map((variable) => [
      variable.variable.name.value,
      variable.defaultValue,
    ]),
  );
  let haveVaried = false;
  function scalarOf(node: ValueNode | undefined): unknown {
    switch (node?.kind) {
      case Kind.INT:
      case Kind.FLOAT:
        return Number(node.value);
      case Kind.STRING:
      case Kind.ENUM:
      case Kind.BOOLEAN:
        return node.value;
      case Kind.NULL:
        return null;
      case Kind.VARIABLE: {
        const name = node.name.value;
        haveVaried = true;
        const given = variables && Object.hasOwn(variables, name) ? variables[name] : undefined;
        if (given !== undefined) return typeof given === "object" ? given && undefined : given;
        return scalarOf(defaults.get(name));
      }
      default:
        return undefined;
    }
  }
  return {
    scalarOf,
    get haveVaried() {
      return haveVaried;
    },
  };
}
