/** A request to the API. */
export interface GraphqlRequest {
  query: string;
  variables?: Record<string, unknown>;
  /** An API key. */
  key?: string;
  /** A session token. */
  token?: string;
  /** A slug, for X-Curestry-Organization. */
  organization?: string;
  headers?: Record<string, string>;
  /** Ends it. */
  signal?: AbortSignal;
}

/** An error as clients see it. */
export interface GraphqlError {
  message: string;
  path?: (string | number)[];
  extensions?: { code?: string; field?: string; constraint?: string; requestId?: string };
}

/** What came back. */
export interface GraphqlAnswer<D> {
  status: number;
  headers: Headers;
  data: D | null | undefined;
  errors: GraphqlError[] | undefined;
}

/**
 * Sends an operation to the gateway, as any client would.
 *
 * @param url of the gateway, without a path
 */
export async function graphql<D = Record<string, unknown>>(
  url: string,
  request: GraphqlRequest,
): Promise<GraphqlAnswer<D>> {
  const { query, variables, key, token, organization, headers, signal } = request;
  const credential = key ?? token;
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json;q=0.9",
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
      ...(organization === undefined ? {} : { "x-curestry-organization": organization }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
    ...(signal === undefined ? {} : { signal }),
  });
  const { data, errors } = await response.json();
  return { status: response.status, headers: response.headers, data, errors };
}

/**
 * The data of an operation that must succeed.
 *
 * @throws {Error} with all that came back, if anything is wrong with it
 */
export async function graphqlData<D>(url: string, request: GraphqlRequest): Promise<D> {
  const { status, data, errors } = await graphql<D>(url, request);
  if (status !== 200 || errors || !data) {
    throw new Error(`The operation failed (${status}): ${JSON.stringify(errors ?? data, null, 2)}`);
  }
  return data;
}
