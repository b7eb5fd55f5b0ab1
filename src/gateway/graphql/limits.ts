import "./graphile_env.ts";
import { type DocumentNode, GraphQLError, Kind, type SelectionSetNode } from "postgraphile/graphql";

/**
 * What a document may ask for. Generous for generated clients and for the introspection query of
 * explorers, and small enough that to plan the largest accepted document takes well under a second:
 * planning is synchronous, so while it lasts no other request is served (10,000 aliases: nine minutes).
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

/** The refusal of a document that has too much of something. */
export function tooMuch(what: string, most: number, found: string): GraphQLError {
  return new GraphQLError(`A document may have ${most} ${what}, this one has ${found}; split it`, {
    extensions: { code: "LIMIT" },
  });
}

/** What a document's fragments select, by their names. */
export function fragmentsOf(document: DocumentNode): Map<string, SelectionSetNode> {
  const fragments = new Map<string, SelectionSetNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      fragments.set(definition.name.value, definition.selectionSet);
    }
  }
  return fragments;
}
