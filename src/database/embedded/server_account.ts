import { stat } from "node:fs/promises";
import type { Account } from "./account.ts";
import { runProgram } from "./run_program.ts";

/**
 * Whom the server runs as: PostgreSQL refuses to run as root, so root lends it an account that has
 * no rights. An existing cluster is served by its owner, whoever that is.
 *
 * @param clusterDir the cluster's directory, which need not exist
 * @returns null if we are not root: then the server runs as we do
 * @throws {Error} if this system has no unprivileged account
 */
export async function serverAccount(clusterDir: string): Promise<Account | null> {
  if (process.platform === "win32" || process.getuid?.() !== 0) return null;
  const owner = await stat(clusterDir).catch(() => null);
  if (owner && owner.uid !== 0) {
    return { name: await accountName(owner.uid), uid: owner.uid, gid: owner.gid };
  }
  for (const name of [process.env.SUDO_USER, "postgres", "nobody"]) {
    if (!name) continue;
    const [uid, gid] = await Promise.all([accountNumber("-u", name), accountNumber("-g", name)]);
    if (uid && gid !== null) return { name, uid, gid };
  }
  throw new Error(
    "PostgreSQL does not run as root, and there is no account to run it under: " +
      "create one with `useradd --system postgres`, or start Curestry as another user",
  );
}

async function accountNumber(option: "-u" | "-g", name: string): Promise<number | null> {
  const { code, output } = await runProgram("id", [option, "--", name]);
  return code === 0 ? Number(output) : null;
}

async function accountName(uid: number): Promise<string> {
  const { code, output } = await runProgram("id", ["-un", "--", String(uid)]);
  return code === 0 ? output.trim() : `account ${uid}`;
}
