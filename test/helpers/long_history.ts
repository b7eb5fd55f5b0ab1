import type { GraphqlRequest } from "./graphql.ts";

/** A request that records one feature event a day, for so many days. */
export function recordLongHistory(days: number): GraphqlRequest {
  const events = Array.from({ length: days }, (_, n) => ({
    featureKey: "f",
    occurredAt: new Date(Date.UTC(2026, 0, 1, 23) - n * 86_400_000).toISOString(),
  }));
  return {
    query:
      "mutation ($events: [FeatureEventItemInput!]!) { recordFeatureEvents(input: { events: $events }) { clientMutationId } }",
    variables: { events },
  };
}
