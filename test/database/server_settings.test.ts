import { expect, test } from "vitest";
import { readSettingAdvice } from "../../src/cli/doctor/server_settings.ts";
import { settingsForMachine } from "../../src/database/embedded/server_settings.ts";
import { startTemporaryCluster } from "../../src/database/embedded/start_temporary_cluster.ts";
import { withClient } from "../../src/database/open_client.ts";
import { query } from "../helpers/database.ts";

const gibibyte = 2 ** 30;

test("the embedded server takes its share of the machine, and no more", () => {
  const sizes = (memory: number) => {
    const { shared_buffers, effective_cache_size, work_mem, maintenance_work_mem } =
      settingsForMachine(memory);
    return [shared_buffers, effective_cache_size, work_mem, maintenance_work_mem];
  };
  expect(sizes(gibibyte / 4)).toEqual(["32MB", "128MB", "4MB", "32MB"]);
  expect(sizes(4 * gibibyte)).toEqual(["512MB", "2048MB", "4MB", "128MB"]);
  expect(sizes(256 * gibibyte)).toEqual(["1024MB", "131072MB", "16MB", "512MB"]);
});

test.each([gibibyte / 4, 8 * gibibyte, 1024 * gibibyte])(
  "a server starts with the settings for %d bytes, and shows them",
  async (memory) => {
    const settings = settingsForMachine(memory);
    const cluster = await startTemporaryCluster(settings);
    try {
      const rows = await query<{ same: boolean; name: string }>(
        cluster.url,
        `select name, pg_catalog.current_setting(name) = wanted or
             pg_catalog.pg_size_bytes(pg_catalog.current_setting(name)) = pg_catalog.pg_size_bytes(wanted)
             as same
           from pg_catalog.json_each_text($1::json) as s(name, wanted)
          where wanted ~ '^\\d+[MG]B$' or pg_catalog.current_setting(name) = wanted`,
        [JSON.stringify(settings)],
      );
      expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(settings).sort());
      expect(rows.filter(({ same }) => !same)).toEqual([]);
    } finally {
      await cluster.stop();
    }
  },
);

test("doctor is content with these, and names what is otherwise", async () => {
  const read = async (settings: Record<string, string>) => {
    const cluster = await startTemporaryCluster({
      ...settingsForMachine(8 * gibibyte),
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      ...settings,
    });
    try {
      return await readSettingAdvice({ connect: (_role, use) => withClient(cluster.url, use) });
    } finally {
      await cluster.stop();
    }
  };
  expect(await read({})).toEqual([]);
  expect(await read({ fsync: "off", shared_buffers: "128MB", jit: "on" })).toEqual([
    {
      message: "fsync is off: a crash of the machine may lose the whole database",
      cure: "set fsync to on",
    },
    {
      message:
        "shared_buffers is 128MB: with PostgreSQL's default, what is read again and again is " +
        "not kept",
      cure: "set shared_buffers to a quarter of the server's memory; it counts after a restart",
    },
    {
      message: "jit is on: compiling a query takes longer than most of ours run",
      cure: "set jit to off",
    },
  ]);
});
