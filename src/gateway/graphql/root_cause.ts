import { GraphQLError } from "postgraphile/graphql";

/** Unwraps the errors that graphql-js and Grafast put around the first one. */
export function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}
