import "postgraphile";
import type { GraphileConfig } from "graphile-config";

/** graphile-build's class of `build.behavior`, the part that matters here. */
interface Behavior {
  entityMatches?(type: string, entity: unknown, filter: string): unknown;
  getBehaviorForEntity(type: string, entity: unknown): { behaviorString: string };
}

/** Answers by filter, then by the entity's behavior. */
type Answers = Map<string, Map<string, unknown>>;

const answersOf = new WeakMap<Behavior, Answers>();
const patched = new WeakSet<Behavior>();

/**
 * Remembers the answers to "may this be in the schema?". While a schema is built that is asked some
 * ten thousand times, and each time graphile-build 5.1 parses every behavior that is registered, to
 * see whether the question is a known one: this was most of the time that the gateway took to start.
 *
 * Behaviors are frozen when building starts, the object too, hence the patch of its class.
 */
export const BehaviorCachePlugin: GraphileConfig.Plugin = {
  name: "CurestryBehaviorCachePlugin",
  version: "1.0.0",
  schema: {
    hooks: {
      init(_, build) {
        const prototype = Object.getPrototypeOf(build.behavior) as Behavior;
        const { entityMatches } = prototype;
        if (patched.has(prototype) || typeof entityMatches !== "function") return _;
        patched.add(prototype);
        prototype.entityMatches = function (type, entity, filter) {
          const { behaviorString } = this.getBehaviorForEntity(type, entity);
          const key = `${type} ${filter}`;
          let answers = answersOf.get(this);
          if (answers === undefined) answersOf.set(this, answers = new Map());
          let known = answers.get(key);
          if (known === undefined) answers.set(key, known = new Map());
          if (!known.has(behaviorString)) {
            known.set(behaviorString, entityMatches.call(this, type, entity, filter));
          }
          return known.get(behaviorString);
        };
        return _;
      },
    },
  },
};
