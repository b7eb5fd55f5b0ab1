import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { TYPES } from "postgraphile/@dataplan/pg";

/**
 * What rows are found, and lists ordered and filtered by: what somebody asks for, and each in one way.
 *
 * - A row is `prompt(id:)`, and `node(nodeId:)` for what knows global ids alone.
 * - Everything is of the request's organization, so nothing is filtered by that, and its lists are those of Query.
 * - Who did something is filtered by id.
 * - Lists are ordered by times, names and numbers; the order of foreign keys is nobody's.
 * - `some: {}` is how to ask for rows with related ones, `promptId: {isNull: false}` for those with one.
 * - Groups are those of a time (by hour, by day) or of a key.
 */
export const ListsPlugin: GraphileConfig.Plugin = {
  name: "CurestryListsPlugin",
  version: "1.0.0",
  after: ["PgRelationsPlugin", "PgOrderAllAttributesPlugin", "PgAggregatesSpecsPlugin"],
  schema: {
    entityBehavior: {
      pgCodecRelation: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryLists"],
          callback(behavior, relation) {
            const from = tableName(relation.localCodec);
            const to = tableName(relation.remoteResource.codec);
            const isList = relation.isReferencee && !relation.isUnique;
            return isList && !(parts[from]?.includes(to) ?? !(from in parts))
              ? [behavior, ...noList]
              : behavior;
          },
        },
      },
      pgCodec: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryLists"],
          // One mutation by global id, as the contract has it: every row has its own id as well
          callback: (behavior, codec) =>
            tableName(codec) === "prompts"
              ? [behavior, ...noDeleteByNode]
              : [behavior, ...noDeleteByNode, ...noUpdateByNode],
        },
      },
      pgResourceUnique: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryLists"],
          callback(behavior, [resource]) {
            const isMart = resource.codec.extensions?.pg?.schemaName === "mart";
            return isMart ? [behavior, ...noFinder] : behavior;
          },
        },
      },
      pgCodecAttribute: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryLists"],
          callback(behavior, [codec, name]) {
            return isGroup(codec.attributes[name]?.codec, name) ? behavior : [behavior, ...noGroup];
          },
        },
      },
    },
    hooks: {
      GraphQLObjectType_fields(fields, _build, { scope }) {
        if (scope.isRootQuery) {
          for (const name of Object.keys(fields)) {
            if (name.endsWith("ByNodeId")) delete fields[name];
          }
        }
        return fields;
      },
      GraphQLInputObjectType_fields(fields, build, { scope }) {
        const operators = scope.pgConnectionFilterOperators;
        if (operators?.inputTypeName !== undefined) {
          const type = build.getTypeByName(operators.inputTypeName);
          // Columns of words are never null
          if (build.graphql.isEnumType(type)) {
            delete fields["isNull"];
            delete fields["notIn"];
          }
          if (build.graphql.isEnumType(type) || operators.inputTypeName === "Boolean") {
            for (const name of comparisons) delete fields[name];
          }
        }
        if (!scope.isPgConnectionFilter || scope.pgCodec === undefined) return fields;
        const isReferred = tableName(scope.pgCodec) in parts;
        for (const [name, field] of Object.entries(fields)) {
          const isMany = /ToMany\w+Filter$/.test(String(field.type));
          const isWho = !logical.has(name) &&
            /^(Organization|User|ApiKey)Filter$/.test(String(field.type));
          if (/Exists?$/.test(name) || isWho || (isReferred && isMany)) {
            delete fields[name];
          }
        }
        return fields;
      },
      GraphQLObjectType_fields_field_args(args, _build, { scope }) {
        delete args["having"];
        const name = scope.pgFieldResource?.codec.extensions?.pg?.name;
        if (scope.isPgFieldConnection && name !== undefined && few.has(name)) delete args["filter"];
        // What belongs to a row is read from its start or its end
        if (scope.isPgManyRelationConnectionField) delete args["offset"];
        return args;
      },
      GraphQLEnumType_values(values, _build, { scope }) {
        if (scope.isPgRowSortEnum) {
          delete values["NATURAL"];
          for (const name of Object.keys(values)) {
            if (/^(.*_ID|ID|IDEMPOTENCY_KEY)_(ASC|DESC)$/.test(name)) delete values[name];
          }
          // The key is where pages go on; backwards it says something only if it counts up
          if (scope.pgCodec?.attributes?.["id"]?.codec.name !== "int4") {
            delete values["PRIMARY_KEY_DESC"];
          }
        }
        if (scope.isPgAggregateGroupEnum) {
          // A group of one instant is none
          for (const name of Object.keys(values)) {
            if (`${name}_TRUNCATED_TO_DAY` in values) delete values[name];
          }
        }
        return values;
      },
    },
  },
};

/** Of tables that much refers to: the lists of theirs that are parts of them. Others are filtered by their keys. */
const parts: Readonly<Record<string, readonly string[]>> = {
  organization: ["organization_user", "prompts", "analysis_run"],
  users: ["organization_user"],
  organization_user: [],
  api_key: [],
  prompt_versions: [],
};

/** Rows of which one has a few. */
const few: ReadonlySet<string> = new Set([
  "organization",
  "sessions",
  "auth_accounts",
  "provider_credential",
  "failed_job",
  "task_run",
  "entity_change",
]);

function tableName(codec: { extensions?: { pg?: { name: string } } }): string {
  return codec.extensions?.pg?.name ?? "";
}

/** Whether rows that have a column in common are a group that somebody asks for. */
function isGroup(codec: object | undefined, name: string): boolean {
  if (codec === undefined || ["id", "updated_at", "idempotency_key"].includes(name)) return false;
  return "values" in codec || codec === TYPES.timestamptz || codec === TYPES.date ||
    /_id$|key$|^(node|detected_language|value)$/.test(name);
}

const logical: ReadonlySet<string> = new Set(["and", "or", "not"]);

/** Of words and of true and false none is more than another. */
const comparisons = [
  "lessThan",
  "lessThanOrEqualTo",
  "greaterThan",
  "greaterThanOrEqualTo",
] as const;

const noList = [
  "-manyRelation:resource:connection",
  "-manyRelation:resource:list",
  "-resource:connection",
  "-resource:list",
] as unknown as GraphileBuild.BehaviorString[];
/** A row of a mart is found by its day; its id says nothing. */
const noFinder = ["-single"] as GraphileBuild.BehaviorString[];
const noUpdateByNode = ["-nodeId:resource:update"] as unknown as GraphileBuild.BehaviorString[];
const noDeleteByNode = ["-nodeId:resource:delete"] as unknown as GraphileBuild.BehaviorString[];
const noGroup = ["-attribute:groupBy"] as unknown as GraphileBuild.BehaviorString[];
