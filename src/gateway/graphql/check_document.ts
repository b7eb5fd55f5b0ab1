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
import { GatewayError } from "../gateway_error.ts";
import { limitRules } from "./limit_rules.ts";
import { limits, tooMuch } from "./limits.ts";
import { nameValue } from "./name_value.ts";
import { storableValues } from "./storable_values.ts";
import { withWordVariables } from "./word_variables.ts";

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
 * @param options.isAnonymous whether this is the API of requests without credentials: what is not in it
 * needs them, whether or not it exists
 */
export function makeCheckDocument(
  schema: GraphQLSchema,
  options: { isAnonymous: boolean },
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
    const unstorable = validate(schema, document, [storableValues], {
      maxErrors: maxReportedErrors,
    });
    if (unstorable.length > 0) {
      return { errors: unstorable.map((error) => nameValue(error, schema, document)) };
    }
    document = withWordVariables(schema, document);
    const errors = validate(schema, document, specifiedRules, { maxErrors: maxReportedErrors });
    if (errors.length === 0) return { document };
    if (errors.some((error) => error.message === "Validation aborted.")) {
      // graphql-js gives up comparing fields of one name with each other: that takes n² steps.
      return { errors: [repeatsTooMuch()] };
    }
    if (options.isAnonymous) {
      const unknown = errors.find(({ message }) => unknownName.test(message));
      if (unknown) return { errors: [needsCredentials(unknown)] };
    }
    return { errors: errors.map((error) => nameValue(error, schema, document)) };
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

/** A document asks for what is not there without credentials: it is not valid, which is no 401. */
export class NotWithoutCredentials extends GatewayError {
  constructor(message: string) {
    super("UNAUTHENTICATED", message);
  }
}

/** How graphql-js begins to say that there is no such field, argument, type, or enum value. */
const unknownName =
  /^(Cannot query field|Unknown |Value "[^"]*" does not exist|Field "[^"]*" is not defined)/;

/** Never says what exists: suggestions of graphql-js are left out. */
function needsCredentials({ message, nodes }: GraphQLError): GraphQLError {
  const [, name = "This"] = /"([^"]*)"/.exec(message) ?? [];
  const originalError = new NotWithoutCredentials(
    `"${name}" is not there without credentials: send "Authorization: Bearer" with an API key or a ` +
      'session token, or "X-API-Key" with an API key',
  );
  return new GraphQLError(originalError.message, { nodes: nodes ?? null, originalError });
}
