import {
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type GraphQLType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isScalarType,
  isUnionType,
} from "postgraphile/graphql";
import { tableOfType } from "../graphql/table_of.ts";

/** What a request needs. */
export interface NeededPermissions {
  /** To read the rows of a table, by "schema.table". */
  tables: ReadonlyMap<string, string>;
  /** To write them, by "create schema.table", and so on. */
  writes: ReadonlyMap<string, string>;
}

/**
 * Renders the documentation of an API: one page, made of the comments in the database. It loads nothing, so
 * that it can be kept as a file; its script searches.
 *
 * @param parts the page's own style and script
 */
export function renderApiDocs(
  schema: GraphQLSchema,
  { tables, writes }: NeededPermissions,
  parts: { style: string; script: string },
): string {
  const roots = [
    ["Queries", schema.getQueryType()],
    ["Mutations", schema.getMutationType()],
    ["Subscriptions", schema.getSubscriptionType()],
  ] as const;
  const rootTypes = new Set<unknown>(roots.map(([, type]) => type));
  const types = Object.values(schema.getTypeMap())
    .filter((type) => !type.name.startsWith("__") && !rootTypes.has(type))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  const needs = (type: GraphQLNamedType) => tables.get(tableOfType(type));
  /** A mutation of a table: its payload has the row. What a function needs is in its description. */
  const needsOfField = (rootName: string, field: GraphQLField<unknown, unknown>) => {
    const type = getNamedType(field.type);
    if (rootName === "Query") return needs(type);
    if (!isObjectType(type) || type.extensions["curestryOfFunction"] !== false) return undefined;
    const [command = ""] = /^[a-z]+/.exec(field.name) ?? [];
    return Object.values(type.getFields())
      .map((one) => writes.get(`${command} ${tableOfType(getNamedType(one.type))}`))
      .find((permission) => permission !== undefined);
  };

  const chapters: Chapter[] = [
    ...roots.flatMap(([title, type]) =>
      type ? [{ title, sections: renderRoot(type.name, type.getFields(), needsOfField) }] : []
    ),
    ...kinds.map(({ title, is }) => ({
      title,
      sections: types.filter(is).map((type) => renderType(type, needs)),
    })),
  ];
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Curestry: API documentation</title>
<style>${parts.style}</style>
</head>
<body>
<nav>
<h1><a href="./">Curestry</a>: API documentation</h1>
<input id="search" type="search" placeholder="Search names and descriptions" aria-label="Search" autocomplete="off">
<ul id="found"></ul>
<div id="contents">
${chapters.map(renderContents).join("\n")}
</div>
</nav>
<main>
${chapters.map(renderChapter).join("\n")}
</main>
<script>${parts.script}</script>
</body>
</html>
`;
}

interface Section {
  id: string;
  name: string;
  html: string;
}

interface Chapter {
  title: string;
  sections: Section[];
}

type Needs = (type: GraphQLNamedType) => string | undefined;

/** The rest of the types; those that many lists share, and that few look up, come last. */
const isPlumbing = ({ name }: GraphQLNamedType) =>
  /(Connection|Edge|Aggregates?|Filter|OrderBy|GroupBy|Payload)$/.test(name);
const kinds: readonly { title: string; is(type: GraphQLNamedType): boolean }[] = [
  {
    title: "Types",
    is: (type) => (isObjectType(type) || isInterfaceType(type)) && !isPlumbing(type),
  },
  { title: "Inputs", is: (type) => isInputObjectType(type) && !isPlumbing(type) },
  { title: "Enums", is: (type) => isEnumType(type) && !isPlumbing(type) },
  { title: "Scalars", is: isScalarType },
  { title: "Unions", is: isUnionType },
  { title: "Lists, filters, orders and answers", is: isPlumbing },
];

function renderContents({ title, sections }: Chapter): string {
  if (sections.length === 0) return "";
  const items = sections.map(({ id, name }) => `<li><a href="#${id}">${name}</a></li>`);
  return `<details><summary>${title}</summary><ul>${items.join("")}</ul></details>`;
}

function renderChapter({ title, sections }: Chapter): string {
  if (sections.length === 0) return "";
  return `<h2>${title}</h2>\n${sections.map(({ html }) => html).join("\n")}`;
}

/** Each field of a root type is a section of its own. */
function renderRoot(
  typeName: string,
  fields: Record<string, GraphQLField<unknown, unknown>>,
  needs: (rootName: string, field: GraphQLField<unknown, unknown>) => string | undefined,
): Section[] {
  return Object.values(fields).sort((a, b) => a.name < b.name ? -1 : 1).map((field) => {
    const id = `${typeName}.${field.name}`;
    return {
      id,
      name: field.name,
      html: `<section id="${id}"><h3><code>${field.name}</code>${
        badge(needs(typeName, field))
      }</h3>${paragraphs(field.description)}<p class="answers">Answers ${
        renderTypeName(field.type)
      }</p>${renderArguments(id, field.args)}</section>`,
    };
  });
}

function renderType(type: GraphQLNamedType, needs: Needs): Section {
  return {
    id: type.name,
    name: type.name,
    html: `<section id="${type.name}"><h3><code>${type.name}</code>${badge(needs(type))}</h3>${
      paragraphs(type.description)
    }${renderMembers(type)}</section>`,
  };
}

function renderMembers(type: GraphQLNamedType): string {
  if (isEnumType(type)) {
    return renderList(
      type.getValues().map(({ name, description }) => ({
        id: `${type.name}.${name}`,
        term: `<code>${name}</code>`,
        description,
      })),
    );
  }
  if (isInputObjectType(type)) return renderArguments(type.name, Object.values(type.getFields()));
  if (isUnionType(type)) return `<p>${type.getTypes().map(renderTypeName).join(", ")}</p>`;
  if (!isObjectType(type) && !isInterfaceType(type)) return "";
  return renderList(
    Object.values(type.getFields()).map((field) => ({
      id: `${type.name}.${field.name}`,
      term: `<code>${field.name}${
        field.args.length === 0
          ? ""
          : `(${field.args.map((arg) => `${arg.name}: ${renderTypeName(arg.type)}`).join(", ")})`
      }</code>: ${renderTypeName(field.type)}`,
      description: field.description,
    })),
  );
}

/** Arguments of a field, or the fields of an input. */
function renderArguments(
  id: string,
  given: readonly Pick<GraphQLArgument, "name" | "type" | "description">[],
): string {
  return renderList(given.map(({ name, type, description }) => ({
    id: `${id}.${name}`,
    term: `<code>${name}</code>: ${renderTypeName(type)}`,
    description,
  })));
}

interface Item {
  id: string;
  term: string;
  description: string | null | undefined;
}

function renderList(items: readonly Item[]): string {
  if (items.length === 0) return "";
  const rows = items.map(({ id, term, description }) =>
    `<dt id="${id}">${term}</dt><dd>${inline(description ?? "")}</dd>`
  );
  return `<dl>${rows.join("")}</dl>`;
}

function badge(permission: string | undefined): string {
  return permission === undefined ? "" : ` <span class="needs">needs ${permission}</span>`;
}

/** A type as it is written, its name a link. */
function renderTypeName(type: GraphQLType): string {
  const { name } = getNamedType(type);
  return `<code>${String(type).replace(name, `<a href="#${name}">${name}</a>`)}</code>`;
}

function paragraphs(text: string | null | undefined): string {
  return (text ?? "").split(/\n\s*\n/).filter(Boolean).map((part) => `<p>${inline(part)}</p>`)
    .join("");
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Text, in which code stands between backticks. */
function inline(text: string): string {
  return text.replace(/[&<>]/g, (character) => entities[character] ?? "")
    .replace(/`([^`]+)`/g, "<code>$1</code>");
}
