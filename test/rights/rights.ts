import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../../src/shared/settings.ts";

/** What can be done with a table. */
export const VERBS = ["select", "insert", "update", "delete"] as const;
export type Verb = (typeof VERBS)[number];

/** Roles of the database that a principal acts as. */
export const ROLES = ["anonymous", "member", "analyst", "gateway", "worker"] as const;
export type Role = (typeof ROLES)[number];

/**
 * An allowance. Without `permission` it holds for the role as it is; with it, for a request that
 * has the permission. `any`: any accepted credential; `self`: a person who has signed in, for what
 * is their own; `operator`: one whom "curestry operator grant" made an operator; several are joined by " or " or by " and ".
 */
export interface Allowance {
  permission?: string;
  /** Only these columns, joined by blanks. */
  columns?: string;
}

export type TableRole = Exclude<Role, "gateway" | "worker"> | "gateway" | "worker" | "definer";

/** The rights to a table or view. */
export interface TableRights extends Partial<Record<TableRole, Partial<Record<Verb, Allowance>>>> {
  /** Its type in the API. */
  type?: string;
  /** The column that says whose a row is: an organization (by default), by slug, a person; or nobody. */
  rows?: { organization?: string; person?: string; slug?: string; nobody?: string };
}

/** The rights to a function. */
export interface FunctionRights {
  /** Roles, joined by blanks. */
  execute: string;
  /** Of API functions: see Allowance; `self as a member` needs a membership of the organization. */
  permission?: string;
  /** Of API functions: whether a request without the permission is refused or gets nothing. */
  without?: "refused" | "nothing";
}

/** `test/rights.json`: whatever it does not allow is forbidden. */
export interface Rights {
  /** The permissions of member roles, joined by blanks. */
  roles: Record<string, string>;
  /** Who may look into a schema. */
  schemas: Record<string, string>;
  tables: Record<string, TableRights>;
  /** Who may use a sequence. */
  sequences: Record<string, string>;
  functions: Record<string, FunctionRights>;
  /** Functions that nobody but their owner and operators may call. */
  internal: string[];
  /** What is known and left as it is, with the test of test/attacks that shows it. */
  accepted: { threat: string; what: string; why: string; test: string }[];
}

/** Who asks, as far as rights depend on it. */
export interface Asker {
  role: Role;
  /** Whether a person asks, not a key. */
  person: boolean;
  /** Whether the request is made in our organization. */
  inOurs: boolean;
  permissions: ReadonlySet<string>;
  /** Whether it is an operator of the installation. */
  operator?: boolean;
}

/** Whose row it is: of our or the other organization; or one's own, or a colleague's. */
export type Whose = "own" | "other" | "self" | "colleague";

/** The table of rights. */
export async function readRights(): Promise<Rights> {
  return JSON.parse(await readFile(join(repositoryRoot, "test/rights.json"), "utf8"));
}

/** The words of a list that is joined by blanks. */
export function words(text: string | undefined): string[] {
  return (text ?? "").split(" ").filter((word) => word !== "");
}

/** Whether one of the permissions is held, for a row of `whose`. */
export function holds(asker: Asker, permission: string, whose: Whose): boolean {
  if (permission.includes(" and ")) {
    return permission.split(" and ").every((word) => holds(asker, word, whose));
  }
  return permission.split(" or ").some((word) => {
    if (word === "self") return asker.person && (whose === "self" || whose === "own");
    if (word === "operator") return asker.operator === true;
    if (word === "self as a member") return asker.person && asker.inOurs;
    if (!asker.inOurs) return false;
    return word === "any" || asker.permissions.has(word);
  });
}

/** Whether the file allows it. */
export function allows(rights: TableRights, asker: Asker, verb: Verb, whose: Whose): boolean {
  const allowance = rights[asker.role]?.[verb];
  if (allowance === undefined || whose === "other") return false;
  if (asker.role === "analyst") return whose !== "self";
  return allowance.permission !== undefined && holds(asker, allowance.permission, whose);
}

/** Whose rows of a table there are to ask for. */
export function whoseRows(rights: TableRights): Whose[] {
  return rights.rows?.person === undefined ? ["own", "other"] : ["self", "colleague", "other"];
}
