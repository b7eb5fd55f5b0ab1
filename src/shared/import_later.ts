/**
 * Imports when it is called. Deno reads the modules of an `import("…")` that it can see before it runs
 * the first line, and what could be under way meanwhile would begin later.
 *
 * @param module `new URL("…", import.meta.url)`
 */
export async function importLater<T>(module: URL): Promise<T> {
  return await import(module.href);
}
