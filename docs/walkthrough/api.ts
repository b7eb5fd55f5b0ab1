import process from "node:process";

/**
 * Sends an operation to Curestry, at CURESTRY_URL with the API key of CURESTRY_KEY.
 *
 * @throws {Error} with what the API said, if it is anything but data
 */
export async function ask<D>(query: string, variables: Record<string, unknown> = {}): Promise<D> {
  const { CURESTRY_URL: url = "http://127.0.0.1:5678", CURESTRY_KEY: key } = process.env;
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors, null, 2));
  return data;
}
