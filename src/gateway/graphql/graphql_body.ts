/** A GraphQL operation as it came in, checked for its outer form. */
export interface GraphqlBody {
  query: string;
  operationName?: string | null;
  variables?: Record<string, unknown> | null;
}
