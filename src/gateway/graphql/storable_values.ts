import {
  type ASTVisitor,
  type FloatValueNode,
  GraphQLError,
  type IntValueNode,
  type ValidationContext,
} from "postgraphile/graphql";
import { isLost, lostNumber } from "../../shared/json_numbers.ts";

/** Refuses literals that would not be stored as they are: texts with NUL, numbers with too many digits. */
export function storableValues(context: ValidationContext): ASTVisitor {
  function refuse(node: GraphQLError["nodes"], message: string): void {
    context.reportError(
      new GraphQLError(message, { nodes: node ?? null, extensions: { code: "INVALID" } }),
    );
  }
  function checkNumber(node: IntValueNode | FloatValueNode): void {
    if (isLost(node.value)) refuse([node], lostNumber(node.value));
  }
  return {
    StringValue(node) {
      if (node.value.includes("\0")) {
        refuse([node], "a text contains the character NUL, which cannot be stored");
      }
    },
    IntValue: checkNumber,
    FloatValue: checkNumber,
  };
}
