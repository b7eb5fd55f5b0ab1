import { glob, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { withClient } from "../database/open_client.ts";
import { repositoryRoot } from "../shared/settings.ts";

const maxLineLength = 120;
const generatedBy = "generated from the database by `deno task generate`";

/** A part of a table: a column, a constraint or an index. */
interface Part {
  table: string;
  kind: "column" | "constraint" | "index";
  name: string;
  /** Type of a column; else empty. */
  type: string;
  definition: string;
}

/** Everything that `create table` says, in the order in which people look for it. */
const partsQuery = `
  with tables as (
    select c.oid, n.nspname || '.' || c.relname as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('app', 'core', 'ops', 'mart') and c.relkind in ('r', 'p') and not c.relispartition
  ), parts as (
    select t.name as table, 1 as section, a.attnum::text as place, 'column' as kind, a.attname::text as name,
           replace(replace(format_type(a.atttypid, a.atttypmod), 'character varying', 'varchar'),
                   'timestamp with time zone', 'timestamptz') as type,
           concat_ws(' ', case when a.attnotnull then 'not null' end,
             case when a.attidentity = 'a' then 'generated always as identity' end,
             case a.attgenerated when 's' then 'generated always as (' || pg_get_expr(d.adbin, d.adrelid, true) || ') stored'
                                 when '' then 'default ' || pg_get_expr(d.adbin, d.adrelid, true) end) as definition
      from tables t
      join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    union all
    select t.name, 2, array_position(array['p', 'u', 'f', 'c'], k.contype::text) || k.conname, 'constraint', k.conname,
           '', pg_get_constraintdef(k.oid, true)
      from tables t join pg_constraint k on k.conrelid = t.oid and k.contype in ('p', 'u', 'f', 'c') and k.conparentid = 0
    union all
    select t.name, 3, i.indexrelid::regclass::text, 'index', x.relname, '',
           case when i.indisunique then 'unique ' else '' end || 'index '
           || regexp_replace(pg_get_indexdef(i.indexrelid, 0, true), '^.* USING btree |^.* (?=USING )', '')
      from tables t
      join pg_index i on i.indrelid = t.oid
      join pg_class x on x.oid = i.indexrelid
     where not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
  )
  select "table", kind, name, type, definition from parts order by "table", section, length(place) * (section = 1)::int, place`;

/** Where the files of tables are, from the root of the repository. */
export async function findTableFiles(): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob("sql/**/tables/*.sql", { cwd: repositoryRoot })) {
    files.push(file.replaceAll("\\", "/"));
  }
  return files.toSorted();
}

/**
 * The text of a table's file with the comment on top that shows the table: columns with types and
 * defaults, keys, checks, indexes.
 *
 * @param file from the root of the repository: sql/core/tables/prompts.sql
 * @param adminUrl a database that has the committed migrations
 * @throws {Error} if the database has no such table
 */
export async function withTableHeader(file: string, adminUrl: string): Promise<string> {
  const text = await readFile(join(repositoryRoot, file), "utf8");
  const rest = text.replace(/^\/\*\n \* [\w.]+: .*generated from the database[\s\S]*?\*\/\n+/, "");
  const table = `${/^sql\/(\w+)\//.exec(file)?.[1]}.${basename(file, ".sql")}`;
  const parts = (await readParts(adminUrl)).filter((part) => part.table === table);
  if (parts.length === 0) throw new Error(`${file}: the database has no table ${table}`);
  return `${renderHeader(table, parts)}\n${rest}`;
}

let known: { adminUrl: string; parts: Promise<Part[]> } | null = null;

function readParts(adminUrl: string): Promise<Part[]> {
  if (known?.adminUrl !== adminUrl) {
    known = {
      adminUrl,
      parts: withClient(adminUrl, async (client) => {
        await client.query("set search_path = pg_catalog");
        return (await client.query<Part>(partsQuery)).rows;
      }),
    };
  }
  return known.parts;
}

function renderHeader(table: string, parts: readonly Part[]): string {
  const lines = [`/*`, ` * ${table}: ${generatedBy}`];
  for (const kind of ["column", "constraint", "index"] as const) {
    const own = parts.filter((part) => part.kind === kind);
    if (own.length === 0) continue;
    const nameWidth = Math.max(...own.map(({ name }) => name.length));
    const typeWidth = Math.max(...own.map(({ type }) => type.length));
    lines.push(" *");
    for (const { name, type, definition } of own) {
      const lead = ` *   ${name.padEnd(nameWidth)}  ${
        typeWidth > 0 ? `${type.padEnd(typeWidth)}  ` : ""
      }`;
      lines.push(...wrap(lead, simplify(definition)));
    }
  }
  return [...lines, " */"].join("\n") + "\n";
}

/** As one would write it: without the casts that PostgreSQL adds, keywords in small letters. */
function simplify(definition: string): string {
  return definition
    .replace(/\s+/g, " ")
    .replace(
      /::(text|character varying|jsonb|jsonpath|regclass|timestamp with time zone)(\[\])?/g,
      "",
    )
    .replace(/= ANY \(ARRAY\[(.*?)\]\)/g, "in ($1)")
    .split(/('(?:[^']|'')*')/)
    .map((piece, index) =>
      index % 2 === 1
        ? piece
        : piece.replace(/\b[A-Z]{2,}(_[A-Z]+)*\b/g, (word) => word.toLowerCase())
    )
    .join("")
    .replaceAll("*/", "* /")
    .replaceAll("/*", "/ *");
}

/** Breaks at blanks; what is on further lines is indented like the first. */
function wrap(lead: string, text: string): string[] {
  const lines: string[] = [];
  let line = lead;
  for (const word of text.split(" ")) {
    if (
      line.trimEnd().length > lead.trimEnd().length && line.length + word.length > maxLineLength
    ) {
      lines.push(line.trimEnd());
      line = ` * ${" ".repeat(lead.length - 1)}`;
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}
