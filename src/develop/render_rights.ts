import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../shared/settings.ts";

type Verb = "select" | "insert" | "update" | "delete";
type Allowances = Partial<Record<Verb, { permission?: string; columns?: string }>>;

/** `test/rights.json`, as far as it is shown. */
interface Rights {
  roles: Record<string, string>;
  schemas: Record<string, string>;
  tables: Record<
    string,
    { type?: string; member?: Allowances; analyst?: Allowances; definer?: Allowances }
  >;
  functions: Record<string, { execute: string; permission?: string }>;
  accepted: { threat: string; what: string; why: string; test: string }[];
}

const verbs: Verb[] = ["select", "insert", "update", "delete"];

/** Renders `test/rights.json`, the table of rights, for people: `docs/rights.md`. */
export async function renderRights(): Promise<string> {
  const text = await readFile(join(repositoryRoot, "test/rights.json"), "utf8");
  const rights: Rights = JSON.parse(text);
  const tables = Object.entries(rights.tables);
  return [
    "# Who may do what",
    "Generated from `test/rights.json` by `deno task generate`. That file is the law: what it does not allow is forbidden. The tests in `test/rights` try every cell of it, for each member role, for people who were invited or removed, for a key of each scope, for analysts, the worker and the gateway, on rows of one's own and of another organization, with SQL and over HTTP; and they fail when the database holds a right that the file does not name.",
    "## Permissions",
    "A request has one organization and a set of permissions: those of the person's role there; with an API key those that are in its scopes and that its maker has, now. Nobody has a right in an organization to which they were only invited, or from which they were removed.",
    table(
      ["permission", ...Object.keys(rights.roles).toReversed()],
      words(rights.roles.owner).map((permission) => [
        code(permission),
        ...Object.values(rights.roles).toReversed().map((list) =>
          words(list).includes(permission) ? "✓" : ""
        ),
      ]),
    ),
    "## Tables",
    "What a request needs, for rows of its own organization: a permission; _any_ accepted credential; or _self_, a person who has signed in, for what is their own. To change or delete a row one has to find it, which takes the right to read it too. There is no right to rows of another organization, and without credentials there is none at all.",
    table(
      ["table", "read", "create", "change", "delete", "analysts read"],
      tables.filter(([, { member, analyst }]) => member || analyst).map(([name, rights]) => [
        code(name),
        ...verbs.map((verb) => permission(rights.member?.[verb])),
        rights.analyst?.select ? "✓" : "",
      ]),
    ),
    `Nobody but functions and operators reaches ${
      list(tables.filter(([, { member, analyst }]) => !member && !analyst).map(([name]) => name))
    }.`,
    "### Columns",
    "Where a table is not read, created or changed with all of its columns, these are the ones. No list holds `organization_id`, a role, a maker, a counter or a secret to write.",
    table(
      ["table", "right", "columns"],
      tables.flatMap(([name, { member }]) =>
        verbs.flatMap((verb) => {
          const columns = member?.[verb]?.columns;
          return columns ? [[code(name), verbNames[verb], list(words(columns))]] : [];
        })
      ),
    ),
    "## Functions",
    table(
      ["function", "who", "needs"],
      Object.entries(rights.functions).filter(([, { permission }]) => permission).map((
        [name, { execute, permission }],
      ) => [
        code(name.replace(/\(.*/, "")),
        words(execute).includes("anonymous")
          ? "everybody"
          : words(execute).map((role) => `${role}s`).join(", "),
        formatPermission(permission),
      ]),
    ),
    "Helpers, which are not in the API:",
    table(
      ["function", "who"],
      Object.entries(rights.functions).filter(([, { permission }]) => !permission).map((
        [name, { execute }],
      ) => [code(name.replace(/\(.*/, "")), words(execute).map((role) => code(role)).join(", ")]),
    ),
    "## What functions that look past row level security may touch",
    "They belong to `curestry_definer`, which nobody can log in as or become, and filter by the request's organization themselves.",
    table(
      ["table", ...verbs.map((verb) => verbNames[verb])],
      tables.filter(([, { definer }]) => definer).map(([name, { definer }]) => [
        code(name),
        ...verbs.map((verb) => {
          const allowance = definer?.[verb];
          if (allowance === undefined) return "";
          return allowance.columns ? list(words(allowance.columns)) : "✓";
        }),
      ]),
    ),
    "## Accepted",
    "Known, tried in `test/attacks`, and left as it is.",
    rights.accepted.map(({ threat, what, why, test }) =>
      wrap(`- **${threat}** ${what} ${why} (${code(test)})`, "  ")
    ).join("\n"),
  ].map((part) => wrap(part)).join("\n\n") + "\n";
}

const verbNames = { select: "read", insert: "create", update: "change", delete: "delete" };

function permission(allowance: { permission?: string } | undefined): string {
  return allowance === undefined ? "" : formatPermission(allowance.permission);
}

function formatPermission(permission = ""): string {
  return permission.split(" ").map((word) =>
    word.includes(":") ? code(word) : ["any", "self"].includes(word) ? `_${word}_` : word
  ).join(" ");
}

function words(text = ""): string[] {
  return text.split(" ").filter((word) => word !== "");
}

function list(names: string[]): string {
  return names.map(code).join(", ");
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A paragraph as `deno fmt` writes it: lines of at most 100 characters; code is not broken. */
function wrap(text: string, indent = ""): string {
  if (/^[|#]|\n/.test(text)) return text;
  const lines = [""];
  for (const word of text.match(/[^\s`]*`[^`]*`[^\s`]*|\S+/g) ?? []) {
    const line = lines.at(-1) ?? "";
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= 100) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(indent + word);
  }
  return lines.join("\n");
}

/** A table as `deno fmt` writes it. */
function table(head: string[], rows: string[][]): string {
  const widths = head.map((name, index) =>
    Math.max(3, ...[head, ...rows].map((row) => [...row[index] ?? ""].length)) || name.length
  );
  const line = (cells: string[]) =>
    `| ${
      cells.map((cell, index) => cell + " ".repeat((widths[index] ?? 0) - [...cell].length)).join(
        " | ",
      )
    } |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
