import "postgraphile";
import { enumCodec, type PgCodec } from "postgraphile/@dataplan/pg";
import type { GraphileConfig } from "graphile-config";
import {
  type GraphQLEnumType,
  type GraphQLNamedType,
  isEnumType,
  Kind,
} from "postgraphile/graphql";
import { sql } from "postgraphile/pg-sql2";

/** An enum that comments of columns speak of, and its words. */
interface Words {
  words: { value: string; description: string }[];
  description: string | undefined;
}

interface State {
  codecs: Map<string, PgCodec>;
}

/** Smart tags of a comment: a tag that stands once is a string, one that stands more often a list. */
type Tags = Readonly<Record<string, unknown>>;

declare global {
  namespace GraphileConfig {
    interface GatherHelpers {
      curestryWords: Record<string, never>;
    }
  }
}

/**
 * Enums for columns that take one of a few words. PostgreSQL has them as text with a CHECK, as the specification
 * asks for, and no type says so; the column's comment does:
 *
 * - `@words AnalysisRunStatus`: this column, or field of a composite type, has the words of that enum
 * - `@word queued Waits for somebody to start it.`: a word and what it means; at one of the enum's columns
 * - the same at a type that is an enum in PostgreSQL as well
 * - `@words role MemberRole` in the comment of a function: its parameter `role`
 *
 * `test/gateway/words.test.ts` holds that they are the words of the CHECK.
 */
export const WordsPlugin: GraphileConfig.Plugin = {
  name: "CurestryWordsPlugin",
  version: "1.0.0",
  gather: {
    namespace: "curestryWords",
    initialCache: () => ({}),
    initialState: (): State => ({ codecs: new Map() }),
    helpers: {},
    hooks: {
      pgIntrospection_introspection(info, { introspection }) {
        const enums = new Map<string, Words>();
        for (const attribute of introspection.attributes) {
          const { tags, description } = attribute.getTagsAndDescription();
          const [name] = namesOf(tags);
          const words = list(tags["word"]);
          if (name === undefined || words.length === 0) continue;
          enums.set(name, {
            words: words.map(readWord),
            description,
          });
        }
        const { codecs } = stateOf(info);
        for (const [name, { words, description }] of enums) {
          if (codecs.has(name)) continue;
          codecs.set(
            name,
            enumCodec({
              name,
              identifier: sql`pg_catalog.text`,
              values: words,
              ...(description === undefined ? {} : { description }),
              extensions: { tags: { name } },
            }),
          );
        }
      },
      pgCodecs_PgCodec(_info, { pgCodec, pgType }) {
        if (!("values" in pgCodec) || !Array.isArray(pgCodec.values)) return;
        const meanings = new Map(
          list(pgType.getTagsAndDescription().tags["word"]).map(readWord)
            .map(({ value, description }) => [value, description]),
        );
        for (const word of pgCodec.values) word.description ??= meanings.get(word.value);
      },
      pgCodecs_attribute(info, { attribute }) {
        const tags: Tags = attribute.extensions?.tags ?? {};
        const [name] = namesOf(tags);
        if (name === undefined) return;
        attribute.codec = find(stateOf(info).codecs, name);
      },
      pgProcedures_PgResourceOptions(info, { pgProc, resourceOptions }) {
        const { tags } = pgProc.getTagsAndDescription();
        for (const entry of namesOf(tags)) {
          const [parameterName, name] = entry.split(" ");
          const parameter = resourceOptions.parameters?.find((each) => each.name === parameterName);
          if (parameter === undefined || name === undefined) {
            throw new Error(`${pgProc.proname}: "@words ${entry}" names no parameter and enum`);
          }
          parameter.codec = find(stateOf(info).codecs, name);
        }
      },
    },
  },
  schema: {
    hooks: {
      /** In a document a word may stand in quotes too: the API had strings here once, and documents are kept. */
      finalize(schema) {
        for (const type of Object.values(schema.getTypeMap())) {
          if (!isWordEnum(type)) continue;
          const parseLiteral = type.parseLiteral.bind(type);
          type.parseLiteral = (node, variables) =>
            parseLiteral(
              node.kind === Kind.STRING
                ? { kind: Kind.ENUM, value: node.value, ...(node.loc ? { loc: node.loc } : {}) }
                : node,
              variables,
            );
        }
        return schema;
      },
    },
  },
};

/** Whether an enum's value is one of the specification's words, as it is written there. */
export function isWord(name: string): boolean {
  return /^[a-z]+(_[a-z]+)*$/.test(name);
}

/** Whether a type is an enum of such words. */
export function isWordEnum(type: GraphQLNamedType | undefined): type is GraphQLEnumType {
  return isEnumType(type) && type.getValues().every(({ name }) => isWord(name));
}

function stateOf(info: { state: object }): State {
  return info.state as State;
}

function namesOf(tags: Tags): string[] {
  return list(tags["words"]);
}

function list(tag: unknown): string[] {
  if (typeof tag === "string") return [tag];
  return Array.isArray(tag) ? tag.map(String) : [];
}

function readWord(line: string): { value: string; description: string } {
  const end = line.indexOf(" ");
  if (end < 0) throw new Error(`"@word ${line}" does not say what the word means`);
  return { value: line.slice(0, end), description: line.slice(end + 1) };
}

function find(codecs: ReadonlyMap<string, PgCodec>, name: string): PgCodec {
  const codec = codecs.get(name);
  if (codec === undefined) throw new Error(`No column says what the words of "@words ${name}" are`);
  return codec;
}
