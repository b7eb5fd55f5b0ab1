import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  parse,
  Source,
  specifiedRules,
  validate,
} from "postgraphile/graphql";
import { makeExpiringCache } from "../expiring_cache.ts";
import { limitRules } from "./limit_rules.ts";
import { limits, tooMuch } from "./limits.ts";

/** A document that may be run, or why not. */
export type Checked =
  | { document: DocumentNode; errors?: undefined }
  | { document?: undefined; errors: readonly GraphQLError[] };

const maxReportedErrors = 20;
const maxRememberedDocuments = 500;
/** Longer documents are checked each time: 500 of them would fill the memory. */
const longestRememberedCharacters = 20_000;

/**
 * Makes the check of a document's text: size, syntax, the limits, and the rules of GraphQL,
 * in this order, so that what is too big is refused before anything costly looks at it. Limits carry
 * `extensions.code` LIMIT.
 *
 * `isKnown` says whether a text was checked just now, so that another check costs nothing.
 *
 * @param options.suggestions whether a refusal may name fields that exist ("Did you mean …")
 */
export function makeCheckDocument(
  schema: GraphQLSchema,
  options: { suggestions: boolean },
): { checkDocument: (text: string) => Checked; isKnown: (text: string) => boolean } {
  const remembered = makeExpiringCache<Checked>(maxRememberedDocuments);

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
    if (excesses.length > 0) return { errors: excesses.slice(0, maxReportedErrors) };
    const errors = validate(schema, document, specifiedRules, { maxErrors: maxReportedErrors });
    if (errors.length === 0) return { document };
    if (errors.some((error) => error.message === "Validation aborted.")) {
      // graphql-js gives up comparing fields of one name with each other: that takes n² steps.
      return { errors: [repeatsTooMuch()] };
    }
    return { errors: options.suggestions ? errors : errors.map(withoutSuggestion) };
  }

  return {
    checkDocument(text) {
      const known = remembered.get(text);
      if (known !== undefined) return known;
      const checked = check(text);
      if (text.length <= longestRememberedCharacters) remembered.set(text, checked);
      return checked;
    },
    isKnown: (text) => remembered.get(text) !== undefined,
  };
}

function repeatsTooMuch(): GraphQLError {
  return new GraphQLError("A document may not repeat fields this often; name each of them once", {
    extensions: { code: "LIMIT" },
  });
}

function withoutSuggestion(error: GraphQLError): GraphQLError {
  const message = error.message.replace(/ Did you mean .*\?$/s, "");
  return message === error.message ? error : new GraphQLError(message, error.nodes);
}
