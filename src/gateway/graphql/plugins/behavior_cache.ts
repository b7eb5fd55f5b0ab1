import "postgraphile";
import type { GraphileConfig } from "graphile-config";

/** What graphile-build knows of an entity's behavior. */
interface ResolvedBehavior {
  behaviorString: string;
}

/** graphile-build's class of `build.behavior`, the parts that matter here. */
interface Behavior {
  entityMatches?(type: string, entity: unknown, filter: string): boolean | undefined;
  getBehaviorForEntity(type: string, entity: unknown): ResolvedBehavior;
  getPreferencesAppliedBehaviors?(
    type: string,
    inferred: ResolvedBehavior,
    override: ResolvedBehavior,
  ): ResolvedBehavior;
  behaviorRegistry: Partial<Record<string, { entities: Partial<Record<string, unknown>> }>>;
  stringMatches(behavior: string, filter: string): boolean | undefined;
}

/** What was worked out for one `build.behavior`. */
interface Known {
  /** By type and filter, then by the entity's behavior. */
  answers: Map<string, Map<string, boolean | undefined>>;
  /** The words of a behavior. */
  fragments: Map<string, string[]>;
  /** By type, inferred behavior and override. */
  applied: Map<string, ResolvedBehavior>;
}

const knownOf = new WeakMap<Behavior, Known>();
const patched = new WeakSet<Behavior>();

function know(behavior: Behavior): Known {
  let known = knownOf.get(behavior);
  if (known === undefined) {
    known = { answers: new Map(), fragments: new Map(), applied: new Map() };
    knownOf.set(behavior, known);
  }
  return known;
}

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
    // The first that is called with the behavior; `init` hooks of others come before ours
    globalBehavior(behavior, build) {
      const prototype = Object.getPrototypeOf(build.behavior) as Behavior;
      if (!patched.has(prototype)) {
        patched.add(prototype);
        cacheMatches(prototype);
        cacheApplied(prototype);
      }
      return behavior;
    },
  },
};

function cacheMatches(prototype: Behavior): void {
  const { entityMatches } = prototype;
  if (typeof entityMatches !== "function") return;
  prototype.entityMatches = function (type, entity, filter) {
    const { behaviorString } = this.getBehaviorForEntity(type, entity);
    const { answers, fragments } = know(this);
    const question = `${type} ${filter}`;
    let byBehavior = answers.get(question);
    if (byBehavior?.has(behaviorString)) return byBehavior.get(behaviorString);
    // A question that no plugin registered goes to graphile-build, which warns of it once
    const isKnown = byBehavior !== undefined || this.behaviorRegistry[filter]?.entities[type];
    const answer = isKnown
      ? this.stringMatches(pick(fragments, behaviorString, filter), filter)
      : entityMatches.call(this, type, entity, filter);
    if (byBehavior === undefined) answers.set(question, byBehavior = new Map());
    byBehavior.set(behaviorString, answer);
    return answer;
  };
}

function cacheApplied(prototype: Behavior): void {
  const { getPreferencesAppliedBehaviors: apply } = prototype;
  if (typeof apply !== "function") return;
  prototype.getPreferencesAppliedBehaviors = function (type, inferred, override) {
    const { applied } = know(this);
    const key = `${type}\n${inferred.behaviorString}\n${override.behaviorString}`;
    let behavior = applied.get(key);
    if (behavior === undefined) {
      applied.set(key, behavior = apply.call(this, type, inferred, override));
    }
    return behavior;
  };
}

/**
 * The part of a behavior that can answer a question. Scopes are compared from their ends, so that is
 * those fragments that end as the question does, or in anything; of some 150 a few.
 */
function pick(fragments: Map<string, string[]>, behavior: string, filter: string): string {
  const end = filter.slice(filter.lastIndexOf(":") + 1);
  if (end === "*") return behavior;
  let all = fragments.get(behavior);
  if (all === undefined) fragments.set(behavior, all = behavior.split(/\s+/));
  return all.filter((fragment) => fragment.endsWith(end) || fragment.endsWith("*")).join(" ");
}
