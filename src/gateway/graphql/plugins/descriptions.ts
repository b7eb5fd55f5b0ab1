import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import { apiName } from "../../api_name.ts";

/** A function of the database, as graphile-build-pg describes it. */
interface FunctionResource {
  isMutation: boolean;
  parameters?: readonly { name: string | null }[] | undefined;
  extensions?: { tags?: Readonly<Record<string, unknown>> };
  description?: string | undefined;
}

/**
 * Every type, field, argument and value says what it is. What is in the database says so in its comment; the
 * parameters of functions by the lines `@arg name What it is.` of the function's comment. The rest is the same
 * everywhere, and stands here: in one line each, since there are hundreds of them.
 */
export const DescriptionsPlugin: GraphileConfig.Plugin = {
  name: "CurestryDescriptionsPlugin",
  version: "1.0.0",
  // Each describes what it adds; this has the last word
  after: [
    "CurestryPageSizePlugin",
    "CurestryListsPlugin",
    "CurestryAggregatesPlugin",
    "CurestryNumbersPlugin",
    "PgAggregatesAddAggregateTypesPlugin",
  ],
  schema: {
    hooks: {
      GraphQLObjectType(config, _build, { scope }) {
        const row = scope.pgTypeResource?.codec ?? scope.pgCodec;
        const name = config.name;
        if (scope.isPgAggregateContainerType) {
          return {
            ...config,
            description: "Numbers over rows that match, or over a group of them.",
          };
        }
        if (scope.isPgAggregateType) {
          return { ...config, description: `${scope.pgAggregateSpec?.HumanLabel} of each column.` };
        }
        if (scope.isConnectionType) return { ...config, description: "A page of a list." };
        if (name.endsWith("Edge")) {
          return { ...config, description: "A row and its place in the list." };
        }
        if (name.endsWith("Payload") && row !== undefined) {
          return { ...config, description: `What \`${fieldOf(name, "Payload")}\` answers.` };
        }
        return config;
      },
      GraphQLInputObjectType(config, _build, { scope }) {
        const { name } = config;
        if (scope.pgConnectionFilterOperators) {
          return { ...config, description: "Conditions on a value, all of which hold." };
        }
        if (scope.isPgConnectionFilterMany) {
          return { ...config, description: "Conditions on related rows." };
        }
        if (scope.isPgConnectionFilter) {
          return { ...config, description: "Conditions on a row, all of which hold." };
        }
        if (scope.isMutationInput) {
          return { ...config, description: `What \`${fieldOf(name, "Input")}\` is given.` };
        }
        return config;
      },
      GraphQLEnumType(config, _build, { scope }) {
        if (scope.isPgRowSortEnum) return { ...config, description: "Orders of a list." };
        if (scope.isPgAggregateGroupEnum) return { ...config, description: "What groups are of." };
        return config;
      },
      GraphQLScalarType(config) {
        const known = scalars[config.name];
        return known === undefined
          ? config
          : { ...config, description: known.description, specifiedByURL: known.url };
      },
      GraphQLObjectType_fields_field(field, build, { scope, Self }) {
        const { fieldName } = scope;
        const common = scope.isPgAggregateField
          ? `${scope.pgAggregateSpec?.HumanLabel}.`
          : scope.isPgConnectionAggregateField
          ? `Of ${fieldName}.`
          : /(Connection|Edge|Payload|Aggregates)$/.test(Self.name)
          ? fields[fieldName]
          : undefined;
        const isPayload = Self.name.endsWith("Payload");
        if (fieldName === "nodeId") return { ...field, description: "The global id, for `node`." };
        const deleted = isPayload && scope.isPgMutationPayloadDeletedNodeIdField
          ? "The global id of what was deleted."
          : undefined;
        const result = isPayload && fieldName === "result"
          ? text(tagsOf(functionOf(build, Self.name, "Payload"))["result"]) ?? "What it answers."
          : undefined;
        const row = isPayload && !field.description ? "The row." : undefined;
        const description = deleted ?? result ?? common ??
          (scope.isPgManyRelationConnectionField ? `Its ${spaced(fieldName)}.` : undefined) ??
          (scope.isPgFieldConnection && Self.name === "Query" && !scope.pgFieldResource?.parameters
            ? `The ${spaced(fieldName)} that you may see.`
            : undefined) ??
          row;
        return description === undefined ? field : { ...field, description };
      },
      GraphQLObjectType_fields_field_args(args, build, { scope, Self }) {
        const described = argumentsOf(
          (scope.pgFieldResource as FunctionResource | undefined) ??
            functionBehind(build, Self.name, scope),
        );
        const unique = scope.pgFieldResourceUnique;
        const codec: PgCodec | undefined = scope.pgFieldResource?.codec;
        for (const [name, argument] of Object.entries(args)) {
          const own = described.get(name);
          if (own !== undefined) argument.description = own;
          else if (Self.name === "Mutation") argument.description = "What it is given.";
          else if (name in connectionArguments) {
            argument.description = connectionArguments[name];
          } else if (unique !== undefined && codec !== undefined) {
            const key = unique.attributes.find((attribute) => apiName(attribute) === name);
            argument.description = codec.attributes?.[key ?? name]?.description ?? null;
          }
        }
        return args;
      },
      GraphQLInputObjectType_fields_field(field, build, { scope, Self }) {
        const { fieldName } = scope;
        if (scope.isPgConnectionFilterField) {
          const description = operators[fieldName] ?? inputs[fieldName] ??
            `Conditions on ${spaced(fieldName)}.`;
          return { ...field, description };
        }
        const own = scope.isPgConnectionFilterOperator ? operators[fieldName] : inputs[fieldName];
        const isFilter = Self.name.endsWith("Filter");
        if (
          own !== undefined &&
          (isFilter || fieldName === "clientMutationId" || fieldName === "patch")
        ) {
          return { ...field, description: own };
        }
        if (field.description || !Self.name.endsWith("Input")) return field;
        const resource = functionOf(build, Self.name, "Input");
        const description = argumentsOf(resource).get(fieldName) ??
          (fieldName === "nodeId" ? "The global id of the row." : "The row.");
        return { ...field, description };
      },
      GraphQLEnumType_values_value(value, _build, { scope }) {
        if (value.description) return value;
        const name = scope.valueName;
        if (scope.isPgRowSortEnum) return { ...value, description: orderText(name) };
        if (scope.isPgAggregateGroupEnum) return { ...value, description: groupText(name) };
        return value;
      },
    },
  },
};

/** "createPrompt" of "CreatePromptPayload". */
function fieldOf(typeName: string, end: string): string {
  return typeName[0]?.toLowerCase() + typeName.slice(1, -end.length);
}

/** The function that a mutation's input or payload is of. */
function functionOf(
  build: { input: { pgRegistry: { pgResources: object } }; inflection: object },
  typeName: string,
  end: string,
): FunctionResource | undefined {
  const resources = Object.entries(build.input.pgRegistry.pgResources) as [
    string,
    FunctionResource,
  ][];
  const name = fieldOf(typeName, end);
  return resources.find(([key, resource]) =>
    resource.isMutation && apiName(key.replace(/^(core|ops|mart)_/, "")) === name
  )
    ?.[1];
}

/** The function that answers a field of Query, or is computed for a row. */
function functionBehind(
  build: { input: { pgRegistry: { pgResources: object } } },
  typeName: string,
  scope: { fieldName: string; pgCodec?: PgCodec },
): FunctionResource | undefined {
  const resources = build.input.pgRegistry.pgResources as Readonly<
    Record<string, FunctionResource>
  >;
  const table = scope.pgCodec?.extensions?.pg?.name;
  if (typeName !== "Query" && table === undefined) return undefined;
  const name = snake(scope.fieldName);
  return resources[typeName === "Query" ? name : `${table}_${name}`];
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function tagsOf(resource: FunctionResource | undefined): Readonly<Record<string, unknown>> {
  return resource?.extensions?.tags ?? {};
}

/** What the lines `@arg name What it is.` of a function's comment say. */
function argumentsOf(resource: FunctionResource | undefined): Map<string, string> {
  const tag = tagsOf(resource)["arg"];
  const lines = Array.isArray(tag) ? tag.map(String) : typeof tag === "string" ? [tag] : [];
  return new Map(lines.map((line) => {
    const end = line.indexOf(" ");
    return [apiName(line.slice(0, end)), line.slice(end + 1)];
  }));
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** "analysis runs" of "analysisRuns". */
function spaced(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** "Newest createdAt first." of CREATED_AT_DESC. */
function orderText(name: string): string {
  const isDescending = name.endsWith("_DESC");
  const column = name.replace(/_(ASC|DESC)$/, "").toLowerCase();
  if (column === "primary_key") return isDescending ? "By the key, backwards." : "By the key.";
  const direction = isDescending
    ? "greatest, latest or last first"
    : "smallest, earliest or first first";
  return `By ${apiName(column)}, ${direction}.`;
}

function groupText(name: string): string {
  const [, column = "", unit] = /^(.*?)(?:_TRUNCATED_TO_(HOUR|DAY))?$/.exec(name) ?? [];
  const of = apiName(column.toLowerCase());
  return unit === undefined ? `Of one ${of}.` : `Of the ${unit.toLowerCase()} of ${of}, in UTC.`;
}

const connectionArguments: Readonly<Record<string, string>> = {
  first: "So many rows from the start: at most 100, also the default.",
  last: "So many rows from the end, instead of first.",
  before: "Only rows before this cursor.",
  after: "Only rows after this cursor.",
  offset: "Skips so many rows; a cursor is faster.",
  filter: "Only rows that match.",
  orderBy: "In which order.",
  groupBy: "What the rows of a group have in common.",
  nodeId: "The global id of the row.",
};

const fields: Readonly<Record<string, string>> = {
  nodes: "The rows.",
  edges: "The rows, each with its cursor.",
  pageInfo: "Where in the list the page is.",
  totalCount: "How many rows match, on all pages.",
  aggregates: "Numbers over all rows that match.",
  groupedAggregates: "Numbers over groups of the rows that match.",
  cursor: "For `after` and `before`.",
  node: "The row.",
  keys: "What the group has in common, in the order of groupBy.",
  clientMutationId: "As it was sent.",
};

const inputs: Readonly<Record<string, string>> = {
  clientMutationId: "Anything; it is answered as it is.",
  patch: "The columns to change.",
  and: "All of these hold.",
  or: "One of these holds.",
  not: "This does not hold.",
  every: "All related rows match.",
  some: "A related row matches.",
  none: "No related row matches.",
};

const operators: Readonly<Record<string, string>> = {
  isNull: "Is null, or (false) is not.",
  equalTo: "Is this.",
  notEqualTo: "Is something else.",
  in: "Is one of these.",
  notIn: "Is none of these.",
  lessThan: "Is less.",
  lessThanOrEqualTo: "Is this or less.",
  greaterThan: "Is more.",
  greaterThanOrEqualTo: "Is this or more.",
  equalToInsensitive: "Is this, in any case.",
  includes: "Contains this.",
  includesInsensitive: "Contains this, in any case.",
  startsWith: "Begins with this.",
  startsWithInsensitive: "Begins with this, in any case.",
  endsWith: "Ends with this.",
  like: "Is like this pattern: _ any character, % any text.",
  likeInsensitive: "Is like this pattern, in any case.",
};

const scalars: Readonly<Record<string, { description: string; url: string }>> = {
  UUID: {
    description: "A UUID, such as 0d5cdd9c-3a4e-4f0e-8f7d-2f1e6a0c9b51.",
    url: "https://datatracker.ietf.org/doc/html/rfc9562",
  },
  Datetime: {
    description: "A time with its offset, such as 2026-01-31T12:00:00Z.",
    url: "https://datatracker.ietf.org/doc/html/rfc3339",
  },
  Date: {
    description: "A day, such as 2026-01-31.",
    url: "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6",
  },
  JSON: {
    description: "Any JSON.",
    url: "https://datatracker.ietf.org/doc/html/rfc8259",
  },
  BigInt: {
    description: "A whole number as text; also taken as a number.",
    url: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT",
  },
  BigFloat: {
    description: "A number as text, with every digit; also taken as a number.",
    url: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL",
  },
  Cursor: {
    description: "A place in a list, for `after` and `before`.",
    url: "https://relay.dev/graphql/connections.htm#sec-Cursor",
  },
};
