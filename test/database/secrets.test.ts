import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type DerivedLogin,
  derivePassword,
  readLoginPasswords,
} from "../../src/database/login_passwords.ts";
import {
  makeLoginSecret,
  putLoginSecret,
  readLoginSecrets,
} from "../../src/database/login_secrets.ts";
import { openLogin } from "../../src/database/open_login.ts";
import { makeLog } from "../../src/shared/log.ts";
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

test("the passwords of our logins follow from a secret of ours, and not from the administrator's", async () => {
  const passwords = await readLoginPasswords(settings({ DATABASE_URL: "postgres://me:pw@db/c" }));
  expect(Object.keys(passwords)).toEqual(["curestry_gateway", "curestry_worker"]);
  for (const password of Object.values(passwords)) expect(password).toMatch(/^[\w-]{43}$/);
  expect(await readLoginPasswords(settings({ DATABASE_URL: "postgres://me:other@db/c" })))
    .toEqual(passwords);
  expect((await stat(join(dataDir, "secret"))).mode & 0o777).toBe(0o600);
  expect(await readLoginPasswords(settings({ CURESTRY_DATA_DIR: join(dataDir, "other") })))
    .not.toEqual(passwords);
});

test("secrets of the settings replace those of the file, which is then not even made", async () => {
  const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const withOwn = settings({
    CURESTRY_LOGIN_SECRETS: [first, second].map((bytes) => bytes.toString("base64")).join(","),
  });
  expect(await readLoginPasswords(withOwn)).toEqual({
    curestry_gateway: derivePassword(first, "curestry_gateway"),
    curestry_worker: derivePassword(first, "curestry_worker"),
  });
  await expect(readdir(dataDir)).rejects.toThrow("ENOENT");
});

test("a new secret comes to the front of the file, and the one before stays", async () => {
  const [first] = await readLoginSecrets(settings());
  const made = [makeLoginSecret(), makeLoginSecret()];
  for (const secret of made) await putLoginSecret(settings(), secret);
  expect(await readLoginSecrets(settings())).toEqual(made.toReversed());
  expect(made).not.toContainEqual(first);
  expect(await readdir(dataDir)).toEqual(["secret"]);
  expect((await stat(join(dataDir, "secret"))).mode & 0o777).toBe(0o600);
});

test("a login of the DBA's own keeps the password that the DBA gave it", async () => {
  const own = "postgres://api:secret@replica/curestry";
  const withOwn = settings({ CURESTRY_GATEWAY_URL: own });
  expect(await readLoginPasswords(withOwn)).toMatchObject({
    curestry_gateway: null,
    curestry_worker: expect.any(String),
  });
  const url = "postgres://me:pw@db/curestry";
  const open = (login: DerivedLogin) => openLogin(withOwn, login, url, makeLog("silent"));
  expect((await open("curestry_gateway")).url).toBe(own);
  expect((await open("curestry_worker")).url).toMatch(
    /^postgres:\/\/curestry_worker:.+@db\/curestry$/,
  );
});
