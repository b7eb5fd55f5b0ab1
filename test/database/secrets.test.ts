import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  derivePassword,
  readGatewayUrl,
  readLoginPasswords,
  readWorkerUrl,
} from "../../src/database/login_passwords.ts";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { makeDataDir, removeDataDir } from "../start/data_dir.ts";

let dataDir = "";
beforeEach(async () => {
  dataDir = await makeDataDir();
});
afterEach(() => removeDataDir(dataDir));

function settings(env: Record<string, string> = {}) {
  return readSettings({ CURESTRY_DATA_DIR: dataDir, ...env });
}

test("ten that make a key at once all get the same one, and only its owner may read it", async () => {
  const made = await Promise.all(Array.from({ length: 10 }, () => readJwtKeys(settings())));
  expect(new Set(made.map((keys) => JSON.stringify(keys))).size).toBe(1);
  expect(made[0]).toHaveLength(1);
  expect(made[0]?.[0]).toMatchObject({ kty: "OKP", crv: "Ed25519", d: expect.any(String) });
  expect(await readdir(dataDir)).toEqual(["jwt-keys.json"]);
  expect((await stat(join(dataDir, "jwt-keys.json"))).mode & 0o777).toBe(0o600);
});

test("keys of the settings replace those of the files, which are then not even made", async () => {
  const [key] = await readJwtKeys(settings());
  const other = settings({
    CURESTRY_DATA_DIR: join(dataDir, "other"),
    CURESTRY_JWT_KEYS: JSON.stringify({ keys: [key] }),
  });
  expect(await readJwtKeys(other)).toEqual([key]);
  await expect(readdir(other.dataDir)).rejects.toThrow("ENOENT");
});

test("a secret that others could read is closed to them", async () => {
  if (process.platform === "win32") return;
  const made = await readJwtKeys(settings());
  const file = join(dataDir, "jwt-keys.json");
  await chmod(file, 0o644);
  expect(await readJwtKeys(settings())).toEqual(made);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("a damaged secret is named and never replaced: what it opens would be lost", async () => {
  await mkdir(dataDir);
  const file = join(dataDir, "jwt-keys.json");
  await writeFile(file, "{");
  await expect(readJwtKeys(settings())).rejects.toThrow(
    `The file ${file} cannot be used: Is not JSON`,
  );
  expect(await readFile(file, "utf8")).toBe("{");
});

test("the passwords of our logins follow from the administrator's, on every machine", async () => {
  const url = "postgres://me:p%2Fw@db/curestry";
  const gateway = derivePassword("p/w", "curestry_gateway");
  expect(gateway).toMatch(/^[\w-]{43}$/);
  expect(await readLoginPasswords(settings(), url)).toEqual({
    curestry_gateway: gateway,
    curestry_worker: derivePassword("p/w", "curestry_worker"),
  });
  expect(await readGatewayUrl(settings(), url))
    .toBe(`postgres://curestry_gateway:${gateway}@db/curestry`);
  // The same password, given as a parameter
  expect(await readLoginPasswords(settings(), "postgres://me@db/curestry?password=p/w"))
    .toMatchObject({ curestry_gateway: gateway });
  await expect(readdir(dataDir)).rejects.toThrow("ENOENT");
});

test("where the administrator has no password, they follow from a secret of ours", async () => {
  const url = "postgres:///curestry?host=/run/postgresql&user=me";
  const passwords = await readLoginPasswords(settings(), url);
  expect(await readLoginPasswords(settings(), url)).toEqual(passwords);
  expect(await readWorkerUrl(settings(), url)).toContain(`password=${passwords.curestry_worker}`);
  expect((await stat(join(dataDir, "secret"))).mode & 0o777).toBe(0o600);
  expect(await readLoginPasswords(settings({ CURESTRY_DATA_DIR: join(dataDir, "other") }), url))
    .not.toEqual(passwords);
});

test("a login of the DBA's own keeps the password that the DBA gave it", async () => {
  const url = "postgres://me:pw@db/curestry";
  const own = "postgres://api:secret@replica/curestry";
  const withOwn = settings({ CURESTRY_GATEWAY_URL: own });
  expect(await readLoginPasswords(withOwn, url)).toMatchObject({
    curestry_gateway: null,
    curestry_worker: expect.any(String),
  });
  expect(await readGatewayUrl(withOwn, url)).toBe(own);
});
