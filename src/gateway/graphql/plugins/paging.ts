import "postgraphile";
import type { GraphileConfig } from "graphile-config";
import { tenantKey } from "./names.ts";

/**
 * Rows that are equal in what a list is ordered by follow each other by their id, not by the primary
 * key with the tenant in front. So what a cursor says ("after this score and this id") is what an
 * index has, one behind the other, and the last page of a list costs what the first one does.
 *
 * (PostGraphile orders by the first unique key of a table; "@unique id" is the one to take.)
 */
export const PagingPlugin: GraphileConfig.Plugin = {
  name: "CurestryPagingPlugin",
  version: "1.0.0",
  gather: {
    hooks: {
      pgTables_PgResourceOptions(_info, { resourceOptions }) {
        const { uniques = [] } = resourceOptions;
        if (!uniques[0]?.attributes.includes(tenantKey)) return;
        const isById = (unique: typeof uniques[number]) => unique.attributes.join() === "id";
        resourceOptions.uniques = [
          ...uniques.filter(isById),
          ...uniques.filter((unique) => !isById(unique)),
        ];
      },
    },
  },
};
