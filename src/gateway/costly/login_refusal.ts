import { errorCode } from "../../database/open_client.ts";

/** How the server refused a login, as one thread tells it to another. */
export interface LoginRefusal {
  code: string;
  message: string;
}

/** What can be told of an error. */
export function toRefusal(error: unknown): LoginRefusal {
  return { code: errorCode(error), message: String(error) };
}

/** The error again, as far as it was told. */
export function fromRefusal({ code, message }: LoginRefusal): Error {
  return Object.assign(new Error(message), { code });
}
