import { generateKeyPairSync, randomBytes } from "node:crypto";
import { type JwtKey, parseJwtKeys } from "./parse_jwt_keys.ts";
import { readSecretFile } from "./secret_file.ts";
import type { Settings } from "./settings.ts";

/** The keys that sign (the first) and verify (all) session tokens; made on first use. */
export async function readJwtKeys(settings: Settings): Promise<JwtKey[]> {
  if (settings.jwtKeys) return settings.jwtKeys;
  return await readSecretFile(settings.dataDir, "jwt-keys.json", makeJwtKeys, parseJwtKeys);
}

/** The key that signs checkpoints of the audit log; made on first use. */
export async function readCheckpointKey(settings: Settings): Promise<JwtKey> {
  const [key] = await readSecretFile(
    settings.dataDir,
    "checkpoint-key.json",
    makeJwtKeys,
    parseJwtKeys,
  );
  if (key === undefined) throw new Error("There is no key in checkpoint-key.json");
  return key;
}

function makeJwtKeys(): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  const kid = randomBytes(9).toString("base64url");
  const key = { kid, alg: "EdDSA", use: "sig", ...privateKey.export({ format: "jwk" }) };
  return JSON.stringify({ keys: [key] }, null, 2) + "\n";
}
