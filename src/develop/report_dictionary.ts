import { withClient } from "../database/open_client.ts";
import { readReportChangelog, type ReportColumns } from "./report_changelog.ts";

interface Column {
  view: string;
  /** What the view is for. */
  purpose: string;
  column: string;
  type: string;
  meaning: string;
}

/** The columns of the schema `report`, as the catalogue has them. */
export async function readReportColumns(url: string): Promise<ReportColumns> {
  const columns = await readColumns(url);
  return new Map(columns.map(({ view, column, type }) => [`${view}.${column}`, type]));
}

/**
 * Makes docs/report.md, the data dictionary of the schema `report`, from the catalogue and its
 * comments.
 *
 * @param url an administrator's connection string
 */
export async function printReportDictionary(url: string): Promise<string> {
  const { version } = await readReportChangelog();
  const views = Map.groupBy(await readColumns(url), ({ view }) => view);
  const contents = [...views].map(([view, columns]) =>
    `- [\`${view}\`](#${view}): ${columns[0]?.purpose}`
  );
  const sections = [...views].map(([view, columns]) =>
    `## \`${view}\`

${columns[0]?.purpose}

${
      formatMarkdownTable(
        ["column", "type", "meaning"],
        columns.map(({ column, type, meaning }) => [`\`${column}\``, type, meaning]),
      )
    }`
  );
  return `<!-- deno-fmt-ignore-file -->

# The schema \`report\`: data for BI tools

<!-- Generated from the database's comments by \`deno task generate\`; never edited. -->

Version ${version}. Views over what Curestry has recorded, with names in place of ids, for dashboards and for
people who write SQL. An operator makes a login for them:

\`\`\`sh
deno task curestry analyst create --name NAME --organization SLUG
\`\`\`

It reads the organizations that it was granted and nothing else, whatever it sends.
\`organization\` tells them apart in every view. A new column raises the minor version; one that
goes, or changes its name or type, the major one: the [changelog](report-changelog.md) lists each.
The tables of the other schemas, which analysts may read too, can change without notice.

${contents.join("\n")}

${sections.join("\n\n")}
`;
}

async function readColumns(url: string): Promise<Column[]> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<Column>(`
      select c.relname as view, pg_catalog.obj_description(c.oid, 'pg_class') as purpose, a.attname as column,
             pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
             pg_catalog.col_description(c.oid, a.attnum) as meaning
        from pg_catalog.pg_class c
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.relnamespace = 'report'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
       order by c.relname collate "C", a.attnum`);
    return rows;
  });
}

/** With columns as wide as they need to be, for those who read the text itself. */
function formatMarkdownTable(header: string[], rows: string[][]): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = header.map((_, index) =>
    Math.max(...cells.map((row) => [...(row[index] ?? "")].length))
  );
  const lines = cells.map((row) =>
    `| ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}
