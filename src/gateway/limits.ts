import "./graphile_env.ts";
import { maxAliasesRule } from "@escape.tech/graphql-armor-max-aliases";
import { maxDepthRule } from "@escape.tech/graphql-armor-max-depth";
import { maxDirectivesRule } from "@escape.tech/graphql-armor-max-directives";
import {
  type ASTVisitor,
  type DocumentNode,
  type GraphQLError as GraphQLErrorType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
  type ValueNode,
} from "postgraphile/graphql";
import { GraphQLError, Kind, parse, Source, specifiedRules, validate } from "postgraphile/graphql";
import { makeExpiringCache } from "./expiring_cache.ts";

/**
 * What a document may ask for. Generous for generated clients and for the introspection query of
 * explorers, and small enough that to plan the largest accepted document takes well under a second:
 * planning is synchronous, so while it lasts nobody else is served (10,000 aliases: nine minutes).
 */
export const limits = {
  tokens: 10_000,
  depth: 15,
  aliases: 60,
  rootFields: 30,
  directives: 50,
  /** Fields after fragments are spread, however often each is. */
  fields: 2_000,
  /** Of those, the ones with a selection of their own: each is a step to plan. */
  objects: 200,
  /** Levels of a value, in the document or in variables: filters, JSON. */
  valueDepth: 50,
  /** `first` and `last`. */
  pageSize: 100,
} as const;

/** A document that may be run, or why not. */
export type Checked =
  | { document: DocumentNode; errors?: undefined }
  | { document?: undefined; errors: readonly GraphQLErrorType[] };

const mostErrors = 20;
const rememberedDocuments = 500;
/** Longer documents are checked each time: 500 of them would fill the memory. */
const longestRemembered = 20_000;

/**
 * Makes the check of a document's text: size, syntax, the limits above, and the rules of GraphQL,
 * in this order, so that what is too big is refused before anything costly looks at it. Limits carry
 * `extensions.code` LIMIT.
 *
 * @param options.suggestions whether a refusal may name fields that exist ("Did you mean …")
 */
export function makeCheckDocument(
  schema: GraphQLSchema,
  options: { suggestions: boolean },
): (text: string) => Checked {
  const remembered = makeExpiringCache<Checked>(rememberedDocuments);

  function check(text: string): Checked {
    try {
      return parseAndValidate(text);
    } catch (error) {
      // Nested deeper than the parser's recursion can follow: thousands of levels.
      if (!(error instanceof RangeError)) throw error;
      return { errors: [tooMuch("levels", limits.depth, "many more")] };
    }
  }

  function parseAndValidate(text: string): Checked {
    let document: DocumentNode;
    try {
      document = parse(new Source(text, "GraphQL request"), { maxTokens: limits.tokens });
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      const tooLong = /more tha[tn] \d+ tokens/.test(error.message);
      return {
        errors: [tooLong ? tooMuch("tokens", limits.tokens, `over ${limits.tokens}`) : error],
      };
    }
    const excesses = validate(schema, document, limitRules);
    if (excesses.length > 0) return { errors: excesses.slice(0, mostErrors) };
    const errors = validate(schema, document, specifiedRules, { maxErrors: mostErrors });
    if (errors.length === 0) return { document };
    return { errors: options.suggestions ? errors : errors.map(withoutSuggestion) };
  }

  return function checkDocument(text) {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    const checked = check(text);
    if (text.length <= longestRemembered) remembered.set(text, checked);
    return checked;
  };
}

/**
 * Checks `first` and `last` of every field of an operation, given literally or by a variable.
 *
 * @returns the refusals, none when all are between 0 and the page size
 */
export function checkPageSizes(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): GraphQLErrorType[] {
  const errors: GraphQLErrorType[] = [];
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

/** The rules of @escape.tech/graphql-armor count per operation, fragments included. */
const limitRules: readonly ValidationRule[] = [
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
  onReject: ((context: ValidationContext | null, error: GraphQLErrorType) => void)[];
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

function tooMuch(what: string, most: number, found: string): GraphQLErrorType {
  return new GraphQLError(`A document may have ${most} ${what}, this one has ${found}; split it`, {
    extensions: { code: "LIMIT" },
  });
}

function fragmentsOf(document: DocumentNode): Map<string, SelectionSetNode> {
  const fragments = new Map<string, SelectionSetNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      fragments.set(definition.name.value, definition.selectionSet);
    }
  }
  return fragments;
}

function withoutSuggestion(error: GraphQLErrorType): GraphQLErrorType {
  const message = error.message.replace(/ Did you mean .*\?$/s, "");
  return message === error.message ? error : new GraphQLError(message, error.nodes);
}
