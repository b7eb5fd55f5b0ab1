import "postgraphile";
import "@graphile/pg-aggregates";
import type { GraphileConfig } from "graphile-config";
import { tenantKey } from "./names.ts";

/** No column named like this is ever in the schema, whatever is granted. */
const secretPattern = /hash|token|secret|cipher/i;

/**
 * What a role may not read is not in its schema, not even as the argument of a finder or under an
 * aggregate, where PgRBACPlugin leaves it. Neither are columns that are named like a secret, and
 * the tenant key is nothing to search, sort or group by: it is the same in every row one sees.
 */
export const PrivilegesPlugin: GraphileConfig.Plugin = {
  name: "CurestryPrivilegesPlugin",
  version: "1.0.0",
  after: ["PgRBACPlugin", "PgIndexBehaviorsPlugin"],

  gather: {
    hooks: {
      /** PgIndexBehaviorsPlugin passes over partitioned tables: their indexes count as well. */
      pgCodecs_attribute(_info, { attribute, pgAttribute }) {
        const table = pgAttribute.getClass();
        if (table?.relkind !== "p") return;
        const indexed = table.getIndexes().some((index) =>
          !index.indpred && index.getKeys().some((key) => key?.attname === pgAttribute.attname)
        );
        attribute.extensions ??= Object.create(null);
        if (!indexed && attribute.extensions) attribute.extensions.isIndexed = false;
      },
    },
  },

  schema: {
    entityBehavior: {
      pgCodecAttribute: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryPrivileges"],
          callback(behavior, [codec, name]) {
            const attribute = codec.attributes[name];
            if (secretPattern.test(name)) return [behavior, ...nothing];
            if (attribute?.extensions?.canSelect === false) return [behavior, ...unreadable];
            if (name === tenantKey && "id" in codec.attributes) return [behavior, ...unsearched];
            return behavior;
          },
        },
      },
      pgResourceUnique: {
        inferred: {
          after: ["postInferred"],
          provides: ["curestryPrivileges"],
          callback(behavior, [resource, unique]) {
            const hidden = unique.attributes.some((name) =>
              secretPattern.test(name) ||
              resource.codec.attributes?.[name]?.extensions?.canSelect === false
            );
            // The id alone finds the row; a key with the tenant in it would ask for the tenant.
            if (hidden || unique.attributes.includes(tenantKey)) return [behavior, ...noUnique];
            // "@unique id" in a table's comment, beside a constraint that says the same.
            const key = unique.attributes.join();
            const twin = resource.uniques.find((other: typeof unique) =>
              other.attributes.join() === key
            );
            return twin === unique ? behavior : [behavior, ...noUnique];
          },
        },
      },
    },
  },
};

/** The registry of behaviors is open, its TypeScript type is not: aggregates' are missing in it. */
function behaviors(...names: string[]): GraphileBuild.BehaviorString[] {
  return names as GraphileBuild.BehaviorString[];
}

const unsearched = behaviors(
  "-filterBy",
  "-orderBy",
  "-attribute:groupBy",
  "-havingBy",
  "-attribute:aggregate",
  "-aggregate:filterBy",
  "-attribute:aggregate:orderBy",
);
const unreadable = behaviors("-select", ...unsearched);
const nothing = behaviors(...unreadable, "-insert", "-update", "-attribute:base");
const noUnique = behaviors(
  "-single",
  "-constraint:resource:update",
  "-constraint:resource:delete",
);
