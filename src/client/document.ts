/** A GraphQL document with one operation, and the types of its answer and its variables. */
export interface TypedDocument<Result, Variables> {
  readonly text: string;
  readonly kind: "query" | "mutation" | "subscription";
  /** Whether it may be sent again when nobody knows what became of it: every query, some mutations. */
  readonly repeatable: boolean;
  /** Never there: it carries the types. */
  readonly __apiType?: (variables: Variables) => Result;
}

/** Variables of any operation. */
export type AnyVariables = Readonly<Record<string, unknown>>;

/**
 * Makes a typed document of your own: `document<{ viewer: { name: string } }>("{ viewer { name } }")`.
 *
 * @param text begins with its one operation; fragments follow
 * @param options `repeatable`: of a mutation, whether doing it twice is the same as doing it once
 */
export function document<Result, Variables = AnyVariables>(
  text: string,
  options: { repeatable?: boolean } = {},
): TypedDocument<Result, Variables> {
  const [, word = ""] = /^(?:\s|,|#[^\n]*\n)*(\{|query\b|mutation\b|subscription\b)/.exec(text) ??
    [];
  if (word === "") throw new TypeError("A document begins with its operation");
  const kind = word === "{" ? "query" : word as "query" | "mutation" | "subscription";
  return { text, kind, repeatable: options.repeatable ?? kind === "query" };
}
