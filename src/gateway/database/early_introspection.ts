import { makeIntrospectionQuery } from "pg-introspection";
import { openClient } from "../../database/open_client.ts";
import type { Login } from "../../database/login.ts";
import { nextTurn } from "../turns.ts";
import type { Adaptor, RequestRole } from "./adaptor.ts";

/** What PostgreSQL's catalogue holds for a role, asked for before anybody needs it. */
export interface EarlyIntrospection {
  role: RequestRole;
  /** The query of PostGraphile. */
  text: string;
  /** Null if it could not be asked for; then PostGraphile asks itself. */
  rows: Promise<Record<string, unknown>[] | null>;
}

/**
 * Asks for what PostGraphile builds the API of a role from, so that PostgreSQL answers while modules
 * are loaded: it takes 0.3 s for it on a connection that is new, and modules keep our thread busy.
 *
 * @returns when the question is on its way
 */
export async function introspectEarly(
  login: Login,
  role: RequestRole,
): Promise<EarlyIntrospection | null> {
  try {
    const client = await openClient(login.url, { retryForMs: 0 });
    const begin = `begin read only; set local statement_timeout = '10s'; set local role ${role}`;
    await client.query(begin);
    const text = makeIntrospectionQuery();
    const rows = client.query<Record<string, unknown>>(text)
      .then((result) => result.rows)
      .finally(() => client.end().catch(() => {}))
      .catch(() => null);
    // Sent with the next turn
    await nextTurn();
    return { role, text, rows };
  } catch {
    return null;
  }
}

/** An adaptor that answers the first introspection of the role with what was asked for early. */
export function withEarlyIntrospection(adaptor: Adaptor, early: EarlyIntrospection): Adaptor {
  let unused: EarlyIntrospection | null = early;
  return {
    ...adaptor,
    introspectAs(role) {
      const introspect = adaptor.introspectAs(role);
      return async (settings, callback) => {
        const asked = role === unused?.role ? unused : null;
        // It is large, and a second attempt is one because something has changed
        if (asked !== null) unused = null;
        const rows = await asked?.rows ?? null;
        if (rows === null) return await introspect(settings, callback);
        return await introspect(settings, (client) =>
          callback({
            ...client,
            query: (statement) =>
              statement.text === early.text
                ? Promise.resolve({ rows, rowCount: rows.length } as never)
                : client.query(statement),
          }));
      };
    },
  };
}
