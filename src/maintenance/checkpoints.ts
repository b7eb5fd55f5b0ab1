import { spawn } from "node:child_process";
import { appendFile, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { CompactSign, importJWK, type JWK } from "jose";

/** A new link of the chain, as app.audit_write_seals answers it. */
export interface AuditSeal {
  organization_id: string;
  seq: number;
  /** SHA-256, hexadecimal. */
  hash: string;
  sealed_rows: number;
}

/** Where checkpoints go. */
export interface CheckpointOptions {
  /** Signs; a private Ed25519 key. */
  key: JWK;
  /** Checkpoints are appended to it, one a line. */
  file: string;
  /** A command that gets the same lines on its standard input, to carry them elsewhere. */
  command?: string | undefined;
}

/** A seal, as checkpoints name it. */
export interface NamedSeal {
  organization: string;
  seq: number;
  /** SHA-256, hexadecimal. */
  hash: string;
}

/** What an operator accepts after a restore to an earlier time. */
export interface AcceptedRestore {
  /** The newest seal of each chain, as the database has it now. */
  heads: NamedSeal[];
  /** The seals that checkpoints name, and that the database has lost. */
  lost: NamedSeal[];
}

/** The `typ` of a line of the file. */
export const checkpointType = "curestry-checkpoint";

/** The `typ` of a line by which an operator accepts a restore; see {@link AcceptedRestore}. */
export const acceptedRestoreType = "curestry-accepted-restore";

/** The `typ` of a line in which the writer says that the file had become shorter than it left it. */
export const cutType = "curestry-checkpoints-cut";

/** The writer of checkpoints. */
export interface Checkpoints {
  /**
   * Writes those of new seals, and of earlier ones that could not be written.
   *
   * @throws {Error} if the file cannot be written, or the command fails
   */
  write(seals: readonly AuditSeal[]): Promise<void>;
  /** Writes down, signed, that an operator accepts a restore. */
  acceptRestore(restore: AcceptedRestore): Promise<void>;
}

/**
 * Makes the writer of signed checkpoints of the audit log, outside of the database: whoever cuts the
 * end off the chain, in the database, does not get at these. A line is a JWS (RFC 7515, compact) by
 * Ed25519 of `{organization, seq, hash, at}`.
 */
export function makeCheckpoints(options: CheckpointOptions): Checkpoints {
  /** The newest seal of each organization that is not written down yet. */
  const unwritten = new Map<string, AuditSeal>();

  /** How long the file was when this writer left it. */
  let leftBytes = 0;

  async function sign(typ: string, content: object): Promise<string> {
    const payload = JSON.stringify({ ...content, at: new Date().toISOString() });
    const signed = await new CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader({ alg: "EdDSA", typ, kid: options.key.kid ?? "" })
      .sign(await importJWK(options.key, "EdDSA"));
    return `${signed}\n`;
  }

  async function append(typ: string, contents: readonly object[]): Promise<string> {
    await mkdir(dirname(options.file), { recursive: true, mode: 0o700 });
    const bytes = await sizeOf(options.file);
    let lines = bytes < leftBytes ? await sign(cutType, { from: leftBytes, to: bytes }) : "";
    for (const content of contents) lines += await sign(typ, content);
    await appendFile(options.file, lines, { mode: 0o600 });
    leftBytes = await sizeOf(options.file);
    return lines;
  }

  async function carry(lines: string): Promise<void> {
    if (options.command !== undefined) await runCommand(options.command, lines);
  }

  return {
    async write(seals) {
      for (const seal of seals) unwritten.set(seal.organization_id, seal);
      if (unwritten.size === 0) return;
      const heads = [...unwritten.values()];
      const lines = await append(
        checkpointType,
        heads.map(({ organization_id: organization, seq, hash }) => ({ organization, seq, hash })),
      );
      for (const seal of heads) {
        if (unwritten.get(seal.organization_id) === seal) unwritten.delete(seal.organization_id);
      }
      await carry(lines);
    },
    async acceptRestore(restore) {
      await carry(await append(acceptedRestoreType, [restore]));
    },
  };
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((error) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return found?.size ?? 0;
}

async function runCommand(command: string, input: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn("sh", ["-c", command], {
      stdio: ["pipe", "ignore", "pipe"],
      // The worker may start nothing but a shell, and Deno takes libraries put before it for something else
      env: Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !/^(LD|DYLD)_/.test(name)),
      ),
    });
    let complaint = "";
    child.stderr.on("data", (data) => complaint += data);
    child.stdin.on("error", () => {}); // it may not read
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(
        new Error(`The checkpoint command ended with ${code}: ${complaint.trim().slice(0, 500)}`),
      ));
    child.stdin.end(input);
  });
}
