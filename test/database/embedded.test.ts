import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readHolder } from "../../src/database/embedded/lock_data_dir.ts";
import {
  type EmbeddedDatabase,
  findRunning,
  startEmbedded,
} from "../../src/database/embedded/start_embedded.ts";
import { databaseUrl, passwordOf } from "../../src/database/urls.ts";
import { makeLog } from "../../src/shared/log.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { query } from "../helpers/database.ts";
import { isAlive, list, makeDataDir, removeDataDir, serverPid } from "../start/data_dir.ts";

const isRoot = process.getuid?.() === 0;
const log = makeLog("silent");
const started: EmbeddedDatabase[] = [];

async function start(dataDir: string, port = 0, kind: "start" | "call" = "start") {
  const settings = readSettings({
    CURESTRY_DATA_DIR: dataDir,
    CURESTRY_DATABASE_PORT: String(port),
  });
  const database = await startEmbedded(settings, kind, log);
  started.push(database);
  return { ...database, url: databaseUrl(database.adminUrl, "postgres") };
}

afterEach(async () => {
  for (const database of started.splice(0)) await database.stop("immediate");
});

describe("a cluster", () => {
  // Making one takes a second, so the tests share it: each leaves it stopped and usable
  let dataDir = "";
  beforeAll(async () => {
    dataDir = await makeDataDir();
  });
  afterAll(() => removeDataDir(dataDir));

  test("is made by the first start, also after one that was killed while making it", async () => {
    await mkdir(join(dataDir, "postgres.unfinished", "base"), { recursive: true, mode: 0o711 });
    await chmod(dataDir, 0o711);
    const database = await start(dataDir);
    expect(database.firstTime).toBe(true);
    expect(await query(database.url, "show server_encoding")).toEqual([{
      server_encoding: "UTF8",
    }]);
    await query(database.url, "create table kept as select 42 as number");
    expect(await list(dataDir)).toEqual([
      "lock",
      "lock.json",
      "postgres",
      "postgres.log",
      "superuser-url",
    ]);
    await database.stop();
  });

  test("is open to nobody but its owner, and to no other machine", async () => {
    const database = await start(dataDir);
    const closed = [stat(join(dataDir, "superuser-url")), stat(join(dataDir, "postgres.log"))];
    for (const { mode } of await Promise.all(closed)) expect(mode & 0o077).toBe(0);
    expect((await stat(join(dataDir, "postgres"))).mode & 0o077).toBe(0);
    expect(
      await query(
        database.url,
        `select name, setting from pg_settings
          where name in ('listen_addresses', 'unix_socket_directories') order by name`,
      ),
    ).toEqual([
      { name: "listen_addresses", setting: "127.0.0.1" },
      { name: "unix_socket_directories", setting: "" },
    ]);
    const wrong = new URL(database.url);
    wrong.password = "guess";
    await expect(query(wrong.href, "select")).rejects.toThrow("password authentication failed");
  });

  test("is found again by the next start, on another port, with the same password", async () => {
    const first = await start(dataDir);
    const pid = await serverPid(dataDir);
    await first.stop();
    expect(isAlive(pid ?? 0)).toBe(false);
    expect(await list(dataDir)).not.toContain("lock.json");
    const second = await start(dataDir);
    expect(second.firstTime).toBe(false);
    expect(passwordOf(second.adminUrl)).toBe(passwordOf(first.adminUrl));
    expect(await readFile(join(dataDir, "superuser-url"), "utf8")).toBe(`${second.adminUrl}\n`);
    expect(await query(second.url, "select number from kept")).toEqual([{ number: 42 }]);
  });

  test("is refused while another start uses it, and commands find that one", async () => {
    const settings = readSettings({ CURESTRY_DATA_DIR: dataDir });
    expect(await findRunning(settings)).toBeNull();
    const first = await start(dataDir);
    await expect(start(dataDir)).rejects.toThrow(
      `The data directory ${dataDir} is in use by another start (process ${process.pid}): ` +
        "stop that one first, or name another directory in CURESTRY_DATA_DIR",
    );
    expect(await query(first.url, "select number from kept")).toEqual([{ number: 42 }]);
    // A command that comes before the migrations are through waits for them
    const found = findRunning(settings);
    expect(await Promise.race([found, sleep(300, "waiting")])).toBe("waiting");
    await first.setReady();
    expect(await found).toBe(first.adminUrl);
  });

  test("is waited for while a command uses it", async () => {
    const command = await start(dataDir, 0, "call");
    let isUp = false;
    const waiting = start(dataDir).then(() => isUp = true);
    await sleep(300);
    expect(isUp).toBe(false);
    await command.stop();
    await waiting;
    expect(await readHolder(dataDir)).toMatchObject({ kind: "start", pid: process.pid });
  });

  test("says which port is in use and which setting changes it, and then starts elsewhere", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await expect(start(dataDir, port)).rejects.toThrow(
      `Port ${port} of 127.0.0.1, for the embedded PostgreSQL, is in use by another program: ` +
        "stop that program, or set CURESTRY_DATABASE_PORT to a free port",
    );
    await new Promise((resolve) => other.close(resolve));
    expect((await start(dataDir, port)).firstTime).toBe(false);
  });

  test("starts although the number in an old postmaster.pid belongs to another program now", async () => {
    const file = join(dataDir, "postgres", "postmaster.pid");
    const lines = [
      process.pid,
      join(dataDir, "postgres"),
      0,
      5432,
      "",
      "127.0.0.1",
      "",
      "ready   ",
    ];
    await writeFile(file, `${lines.join("\n")}\n`);
    const database = await start(dataDir);
    expect(await serverPid(dataDir)).not.toBe(process.pid);
    expect(await query(database.url, "select number from kept")).toEqual([{ number: 42 }]);
  });

  test("recovers what a crash of the server interrupted", async () => {
    const first = await start(dataDir);
    await query(first.url, "insert into kept values (43)");
    process.kill(await serverPid(dataDir) ?? 0, "SIGKILL");
    // The start that owned it starts it again
    await expect.poll(
      () => query(first.url, "select number from kept").then(({ length }) => length, () => 0),
      { timeout: 60_000 },
    ).toBe(2);
    await first.stop();
    const second = await start(dataDir);
    expect(await query(second.url, "select number from kept order by 1"))
      .toEqual([{ number: 42 }, { number: 43 }]);
  });

  test("of another major version is refused, with both versions, and left as it is", async () => {
    const file = join(dataDir, "postgres", "PG_VERSION");
    await writeFile(file, "17\n");
    await expect(start(dataDir)).rejects.toThrow(
      new RegExp(
        `^The database in .*/postgres was made by PostgreSQL 17, but this version of Curestry brings ` +
          "PostgreSQL 18: start it with the version of Curestry that made it and move the data over " +
          "with backup and restore, or name another directory in CURESTRY_DATA_DIR$",
      ),
    );
    expect(await readFile(file, "utf8")).toBe("17\n");
    await writeFile(file, "18\n");
  });

  test("whose password is lost is refused instead of made anew", async () => {
    const file = join(dataDir, "superuser-url");
    await rm(file);
    await expect(start(dataDir)).rejects.toThrow(
      new RegExp(
        `The file ${file}, with the password of the database in .*, is missing or damaged`,
      ),
    );
    expect(await readFile(join(dataDir, "postgres", "PG_VERSION"), "utf8")).toBe("18\n");
  });
});

describe("a data directory", () => {
  let dataDir = "";
  beforeAll(async () => {
    dataDir = await makeDataDir();
  });
  afterAll(() => removeDataDir(dataDir));

  test("that cannot be made is named", async () => {
    const file = join(dataDir, "..", "file");
    await writeFile(file, "");
    await expect(start(file)).rejects.toThrow(`The data directory ${file} cannot be made`);
    await expect(start(join(file, "data"))).rejects.toThrow(
      "Name another one in CURESTRY_DATA_DIR",
    );
  });

  test("that holds other files where the database belongs is left alone", async () => {
    await mkdir(join(dataDir, "postgres"), { recursive: true });
    await writeFile(join(dataDir, "postgres", "thesis.txt"), "precious");
    await expect(start(dataDir)).rejects.toThrow("is not empty, but holds no database");
    expect(await list(join(dataDir, "postgres"))).toEqual(["thesis.txt"]);
  });
});

describe.skipIf(!isRoot)("root", () => {
  let dataDir = "";
  beforeAll(async () => {
    dataDir = await makeDataDir();
  });
  afterAll(() => removeDataDir(dataDir));

  test("lends the server another account, and a directory that this one can reach", async () => {
    // As below a home with mode 0700
    await chmod(join(dataDir, ".."), 0o700);
    const database = await start(dataDir);
    const link = join(dataDir, "postgres");
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(database.clusterDir).toBe(await readlink(link));
    const { uid, mode } = await stat(database.clusterDir);
    expect(uid).not.toBe(0);
    expect(mode & 0o777).toBe(0o700);
    expect((await stat(`/proc/${await serverPid(dataDir)}`)).uid).toBe(uid);
    await database.stop();
    expect((await start(dataDir)).firstTime).toBe(false);
  });

  test("follows no link that somebody else made", async () => {
    const other = await makeDataDir();
    await mkdir(other);
    await mkdir(join(other, "target"));
    await symlink(join(other, "target"), join(other, "postgres"));
    await expect(start(other)).rejects.toThrow(
      "which Curestry did not make: name the real directory in CURESTRY_DATA_DIR",
    );
    await rm(join(other, ".."), { recursive: true });
  });
});
