import { readlink, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { repositoryRoot } from "../shared/settings.ts";

/**
 * Puts a link to Deno where npx looks first: node_modules/.bin. Without it, each `npx -y deno task …`
 * reads all of node_modules and asks the registry for Deno's newest version before it runs what it
 * has anyway, which takes longer than our own start. Only for a Deno of npx's own cache: where that
 * is emptied, the link leads nowhere and npx fetches Deno again; where dependencies change, Deno
 * itself removes the link.
 *
 * @param deno the program that runs us
 * @param directory of the link
 * @returns whether the link is there and is right
 */
export async function linkDeno(
  deno: string = process.execPath,
  directory: string = join(repositoryRoot, "node_modules", ".bin"),
): Promise<boolean> {
  // Windows has scripts there, and lets few people make links
  if (process.platform === "win32" || !deno.includes("/_npx/")) return false;
  const link = join(directory, "deno");
  const target = await readlink(link).catch((error) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (target === deno) return true;
  if (target !== null) {
    // Another one that works is the user's choice
    if (await stat(link).catch(() => null)) return false;
    await rm(link);
  }
  await symlink(deno, link).catch((error) => {
    // Another start was faster
    if (error.code !== "EEXIST") throw error;
  });
  return true;
}
