import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../shared/settings.ts";

/** A package of deno.lock; dependencies are names, with a version where there are several. */
interface LockedPackage {
  dependencies?: string[];
  optionalDependencies?: string[];
  optionalPeers?: string[];
}

interface Lock {
  specifiers: Record<string, string>;
  npm: Record<string, LockedPackage>;
}

/**
 * What packages name as dependencies, but no program of ours ever imports. Types are for developers.
 * `ruru`, the API explorer, is served as it was built: what it was built of (an editor, React) would be
 * more than all the rest together.
 */
const neverImported = /^(?:@types\/|(?:ruru-types|react|react-dom)(?:@|$))/;

/**
 * Makes runtime.lock, by which `deno task install` installs: deno.lock without what only developers need.
 *
 * @throws {Error} if deno.lock names a dependency that it does not hold
 */
export async function printRuntimeLock(): Promise<string> {
  const read = async (name: string) =>
    JSON.parse(await readFile(join(repositoryRoot, name), "utf8"));
  const [lock, { dependencies }] = await Promise.all([read("deno.lock"), read("package.json")]);
  return `${JSON.stringify(pruneLock(lock, dependencies), null, 2)}\n`;
}

/**
 * @param dependencies of package.json: versions by name
 */
export function pruneLock<T extends Lock>(lock: T, dependencies: Record<string, string>): T {
  const specifiers: Record<string, string> = {};
  const kept = new Set<string>();
  const find = (dependency: string) => findPackage(lock, dependency);

  function keep(id: string): void {
    if (kept.has(id)) return;
    kept.add(id);
    const { dependencies = [], optionalDependencies = [] } = lock.npm[id] ?? {};
    for (const dependency of [...dependencies, ...optionalDependencies]) {
      if (!neverImported.test(dependency)) keep(find(dependency));
    }
  }

  for (const [name, version] of Object.entries(dependencies)) {
    const specifier = `npm:${name}@${version}`;
    const resolved = lock.specifiers[specifier];
    if (resolved === undefined) throw new Error(`deno.lock does not hold ${specifier}`);
    specifiers[specifier] = resolved;
    keep(find(`${name}@${resolved}`));
  }
  const npm = Object.entries(lock.npm).filter(([id]) => kept.has(id)).map(([id, entry]) =>
    [id, withoutUnused(entry, find)] as const
  );
  return { ...lock, specifiers, npm: Object.fromEntries(npm) };
}

/** In full names, which are right however few versions are left. */
function withoutUnused(entry: LockedPackage, find: (dependency: string) => string): LockedPackage {
  const { dependencies, optionalDependencies, optionalPeers, ...rest } = entry;
  const used = (names: string[] = []) => names.filter((name) => !neverImported.test(name));
  const lists = {
    dependencies: used(dependencies).map(find),
    optionalDependencies: used(optionalDependencies).map(find),
    optionalPeers: used(optionalPeers),
  };
  return {
    ...rest,
    ...Object.fromEntries(Object.entries(lists).filter(([, names]) => names.length > 0)),
  };
}

/** Versions may be followed by those of peers, which a dependency leaves out where one is clear. */
function findPackage({ npm }: Lock, dependency: string): string {
  const found = npm[dependency]
    ? [dependency]
    : Object.keys(npm).filter((id) =>
      id.startsWith(`${dependency}@`) || id.startsWith(`${dependency}_`)
    );
  const [id] = found;
  if (id === undefined || found.length > 1) {
    throw new Error(`deno.lock holds ${found.length} packages for ${dependency}`);
  }
  return id;
}
