import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../src/shared/settings.ts";

/** What each file imports, types included; paths from the root of the repository. */
type Imports = ReadonlyMap<string, readonly string[]>;

const imports = await readImports(["src", "worker", "bench"]);

async function readImports(folders: readonly string[]): Promise<Imports> {
  const found = new Map<string, string[]>();
  for (const folder of folders) {
    for (const name of await readdir(join(repositoryRoot, folder), { recursive: true })) {
      if (!name.endsWith(".ts")) continue;
      const file = posix.join(folder, name.replaceAll("\\", "/"));
      found.set(file, findImports(file, await readFile(join(repositoryRoot, file), "utf8")));
    }
  }
  return found;
}

/** Also `import "…"`, `import("…")` and `typeof import("…")`. */
function findImports(file: string, text: string): string[] {
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)]
    .map(([, path = ""]) => posix.join(posix.dirname(file), path));
}

/** The files of an import circle, the first one again at the end; null if there is none. */
function findCircle(imports: Imports): string[] | null {
  const done = new Set<string>();
  function visit(file: string, path: readonly string[]): string[] | null {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const imported of imports.get(file) ?? []) {
      const circle = visit(imported, [...path, file]);
      if (circle !== null) return circle;
    }
    done.add(file);
    return null;
  }
  for (const file of imports.keys()) {
    const circle = visit(file, []);
    if (circle !== null) return circle;
  }
  return null;
}

/** The imports from one place into another: "file → imported file". */
function findFromTo(imports: Imports, from: RegExp, to: RegExp): string[] {
  return [...imports].filter(([file]) => from.test(file)).flatMap(([file, imported]) =>
    imported.filter((other) => to.test(other)).map((other) => `${file} → ${other}`)
  );
}

test("the finders find a circle of types, and an import from one place into another", () => {
  const files = {
    "src/a.ts": 'import { b } from "./b.ts";\nimport { join } from "node:path";',
    "src/b.ts": 'import {\n  type C,\n} from "./room/c.ts";',
    "src/room/c.ts": 'export type C = typeof import("../b.ts");',
  };
  const example = new Map(
    Object.entries(files).map(([file, text]) => [file, findImports(file, text)]),
  );
  expect(findCircle(example)).toEqual(["src/b.ts", "src/room/c.ts", "src/b.ts"]);
  expect(findFromTo(example, /^src\//, /^src\/room\//)).toEqual(["src/b.ts → src/room/c.ts"]);
  expect(findCircle(new Map([["a", ["b", "c"]], ["b", ["c"]]]))).toBeNull();
});

test("no file imports in a circle, types included", () => {
  expect(imports.size).toBeGreaterThan(100);
  expect(findCircle(imports)).toBeNull();
});

test("src imports nothing from worker, whose tasks it loads by folder", () => {
  expect(findFromTo(imports, /^worker\//, /^src\/worker\//)).not.toEqual([]);
  expect(findFromTo(imports, /^src\//, /^worker\//)).toEqual([]);
});

test("nothing in src but entry points imports an entry point", () => {
  expect(findFromTo(imports, /^src\/(?!bin\/)/, /^src\/bin\//)).toEqual([]);
});

test("gateway and worker import nothing from the command line", () => {
  expect(findFromTo(imports, /^(src\/(gateway|worker)|worker)\//, /^src\/cli\//)).toEqual([]);
});

test("what gateway and command line share to read files imports from neither", () => {
  expect(findFromTo(imports, /^src\/gateway\//, /^src\/files\//)).not.toEqual([]);
  expect(findFromTo(imports, /^src\/cli\//, /^src\/files\//)).not.toEqual([]);
  expect(findFromTo(imports, /^src\/files\//, /^(?!src\/(files|shared)\/)/)).toEqual([]);
});

test("what all rooms share imports from no room", () => {
  expect(findFromTo(imports, /^src\/shared\//, /^(?!src\/shared\/)/)).toEqual([]);
});

test("the client imports nothing but its own files: it is a package of its own", () => {
  expect(findFromTo(imports, /^src\/client\//, /^src\/client\//)).not.toEqual([]);
  expect(findFromTo(imports, /^src\/client\//, /^(?!src\/client\/)/)).toEqual([]);
  const files = [...imports.keys()].filter((file) => file.startsWith("src/client/"));
  const packages = files.filter((file) =>
    /^(?:import|export)\b[^;]*?\bfrom "(?!\.{1,2}\/)/m.test(
      readFileSync(join(repositoryRoot, file), "utf8"),
    )
  );
  expect(packages).toEqual([]);
});
