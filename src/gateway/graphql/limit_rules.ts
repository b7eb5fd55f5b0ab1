import { maxAliasesRule } from "@escape.tech/graphql-armor-max-aliases";
import { maxDepthRule } from "@escape.tech/graphql-armor-max-depth";
import { maxDirectivesRule } from "@escape.tech/graphql-armor-max-directives";
import type {
  ASTVisitor,
  GraphQLError,
  SelectionSetNode,
  ValidationContext,
  ValidationRule,
} from "postgraphile/graphql";
import { Kind } from "postgraphile/graphql";
import { fragmentsOf, limits, tooMuch } from "./limits.ts";

/** The limits as validation rules; all count per operation, what fragments spread included. */
export const limitRules: readonly ValidationRule[] = [
  armor("aliases", limits.aliases, (options) => maxAliasesRule({ ...options, allowList: [] })),
  armor(
    "levels",
    limits.depth,
    (options) => maxDepthRule({ ...options, flattenFragments: true }),
  ),
  armor("directives", limits.directives, (options) => maxDirectivesRule(options)),
  countFields,
  measureValues,
];

interface ArmorOptions {
  n: number;
  propagateOnRejection: boolean;
  onReject: ((context: ValidationContext | null, error: GraphQLError) => void)[];
}

/** One rule of graphql-armor, which then reports our error instead of throwing its own. */
function armor(
  what: string,
  most: number,
  make: (options: ArmorOptions) => (context: ValidationContext) => unknown,
): ValidationRule {
  const rule = make({
    n: most,
    propagateOnRejection: false,
    onReject: [(context, error) => {
      context?.reportError(tooMuch(what, most, /found (\d+)/.exec(error.message)?.[1] ?? "more"));
    }],
  });
  return (context) => rule(context) as ASTVisitor;
}

/** Counts root fields, fields and objects of each operation as they are after fragments. */
function countFields(context: ValidationContext): ASTVisitor {
  const fragments = fragmentsOf(context.getDocument());
  const counted = new Map<SelectionSetNode, { fields: number; objects: number; top: number }>();

  function count(selections: SelectionSetNode | undefined) {
    const total = { fields: 0, objects: 0, top: 0 };
    if (selections === undefined) return total;
    const known = counted.get(selections);
    if (known !== undefined) return known;
    counted.set(selections, total); // A fragment inside itself counts as nothing here.
    for (const node of selections.selections) {
      const inner = count(
        node.kind === Kind.FRAGMENT_SPREAD ? fragments.get(node.name.value) : node.selectionSet,
      );
      total.fields += inner.fields;
      total.objects += inner.objects;
      if (node.kind === Kind.FIELD) {
        total.fields += 1;
        total.top += 1;
        if (node.selectionSet !== undefined) total.objects += 1;
      } else {
        total.top += inner.top;
      }
    }
    return total;
  }

  return {
    OperationDefinition(node) {
      const { fields, objects, top } = count(node.selectionSet);
      const found = [
        ["root fields", limits.rootFields, top],
        ["fields", limits.fields, fields],
        ["objects", limits.objects, objects],
      ] as const;
      for (const [what, most, number] of found) {
        if (number > most) context.reportError(tooMuch(what, most, String(number)));
      }
    },
  };
}

/** Refuses literals that are nested too deep. */
function measureValues(context: ValidationContext): ASTVisitor {
  let depth = 0;
  const enter = () => {
    if (++depth === limits.valueDepth + 1) {
      context.reportError(tooMuch("levels in a value", limits.valueDepth, "more"));
    }
  };
  const leave = () => {
    depth--;
  };
  return { ObjectValue: { enter, leave }, ListValue: { enter, leave } };
}
