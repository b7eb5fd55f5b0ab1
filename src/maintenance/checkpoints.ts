import { spawn } from "node:child_process";
import { appendFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
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

/** The writer of checkpoints. */
export interface Checkpoints {
  /** @throws {Error} if the file cannot be written, or the command fails */
  write(seals: readonly AuditSeal[]): Promise<void>;
}

/**
 * Makes the writer of signed checkpoints of the audit log, outside of the database: whoever cuts the
 * end off the chain, in the database, does not get at these. A line is a JWS (RFC 7515, compact) by
 * Ed25519 of `{organization, seq, hash, at}`.
 */
export function makeCheckpoints(options: CheckpointOptions): Checkpoints {
  return {
    async write(seals) {
      const key = await importJWK(options.key, "EdDSA");
      const heads = new Map(seals.map((seal) => [seal.organization_id, seal]));
      let lines = "";
      for (const { organization_id: organization, seq, hash } of heads.values()) {
        const checkpoint = { organization, seq, hash, at: new Date().toISOString() };
        lines += await new CompactSign(new TextEncoder().encode(JSON.stringify(checkpoint)))
          .setProtectedHeader({
            alg: "EdDSA",
            typ: "curestry-checkpoint",
            kid: options.key.kid ?? "",
          })
          .sign(key) + "\n";
      }
      await mkdir(dirname(options.file), { recursive: true, mode: 0o700 });
      await appendFile(options.file, lines, { mode: 0o600 });
      if (options.command !== undefined) await runCommand(options.command, lines);
    },
  };
}

async function runCommand(command: string, input: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", command], { stdio: ["pipe", "ignore", "pipe"] });
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
