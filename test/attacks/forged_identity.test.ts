import { importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { sqlstate } from "../helpers/sqlstate.ts";
import { makePerson, signIn } from "../helpers/token.ts";

/** Attacks by somebody who says, in SQL or in a token, that they are somebody else. */

const database = withTestDatabase();
const gateway = withGateway(database);

let ours: TestOrganization;
let theirs: TestOrganization;
let analyst: string;
let key: string;

beforeAll(async () => {
  ours = await makeOrganization(database);
  theirs = await makeOrganization(database);
  await database.query(
    `insert into core.prompts (organization_id, name, content)
     select o, 'prompt ' || n, 'content' from unnest($1::uuid[]) as o, generate_series(1, 3) as n`,
    [[ours.id, theirs.id]],
  );
  analyst = await makeAnalyst(database, [ours]);
  key = await makeKey(database, ours, ["prompts:read"]);
});

/** What an analyst sees of every table that there is something to see in. */
const everything = `select coalesce(jsonb_object_agg(t.name, t.rows), '{}') as seen from (
    select c.oid::regclass::text as name, (xpath('/row/n/text()', query_to_xml('select count(*) as n from ' || c.oid::regclass, false, true, '')))[1]::text as rows
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('core', 'ops', 'mart', 'report') and c.relkind in ('r', 'p', 'v') and has_table_privilege(c.oid, 'select')) t`;

async function seenBy(url: string, ...first: string[]): Promise<Record<string, string>> {
  return await withClient(url, async (client) => {
    for (const statement of first) await client.query(statement);
    return (await client.query(everything)).rows[0].seen;
  });
}

describe("T1: forged settings", () => {
  const forgeries = async () => {
    const session = await signIn(database, theirs.ownerEmail);
    return {
      organization_id: theirs.id,
      user_id: String(session.userId),
      permissions: " prompts:read analyses:read members:read audit:read keys:write ",
      session_id: "1",
      api_key_id: crypto.randomUUID(),
      request_id: "forged",
    };
  };

  test("change nothing of what an analyst sees, however they are set", async () => {
    const before = await seenBy(analyst);
    expect(before["core.prompts"]).toBe("3");
    const settings = Object.entries(await forgeries());
    const set = settings.map(([name, value]) => `set curestry.${name} = '${value}'`);
    expect(await seenBy(analyst, ...set)).toEqual(before);
    const local = settings.map(([name, value]) => `set local curestry.${name} = '${value}'`);
    expect(await seenBy(analyst, "begin", ...local)).toEqual(before);
    expect(
      await seenBy(
        analyst,
        ...settings.map(([name, value]) =>
          `select set_config('curestry.${name}', '${value}', false)`
        ),
      ),
    ).toEqual(before);
    const url = new URL(analyst);
    url.searchParams.set(
      "options",
      settings.map(([name, value]) => `-c curestry.${name}=${value.replaceAll(" ", "\\ ")}`).join(
        " ",
      ),
    );
    expect(await seenBy(url.href)).toEqual(before);
  });

  test("would change it if a policy read a setting", async () => {
    await database.query(
      `create table public.control as select organization_id, name from core.prompts;
       alter table public.control enable row level security;
       create policy bad on public.control using (organization_id = current_setting('control.organization_id', true)::uuid);
       grant select on public.control to curestry_analyst`,
    );
    const rows = await query(
      analyst,
      `with s as materialized (select set_config('control.organization_id', '${theirs.id}', false)) select from s, public.control`,
    );
    await database.query("drop table public.control");
    expect(rows).toHaveLength(3);
  });

  test("are no way into a request for the gateway's login until it has become a member's role", async () => {
    const settings = Object.entries(await forgeries());
    const set = settings.map(([name, value]) => `set curestry.${name} = '${value}'`);
    expect(await sqlstate(database.gatewayUrl, ...set, "select from core.prompts")).toBe("42501");
  });

  test("accepted: who has the gateway's password is every member, which is why nobody is given it", async () => {
    await withClient(database.gatewayUrl, async (client) => {
      await client.query("begin");
      await client.query("set local role curestry_member");
      expect((await client.query("select from core.prompts")).rowCount).toBe(0);
      await client.query(`set local curestry.organization_id = '${theirs.id}'`);
      await client.query("set local curestry.permissions = ' prompts:read '");
      expect((await client.query("select from core.prompts")).rowCount).toBe(3);
    });
  });
});

describe("T2: claims left over in a connection", () => {
  test("are gone with the transaction, and what is left is nothing, not an error", async () => {
    await withClient(database.gatewayUrl, async (client) => {
      await client.query("begin");
      await client.query(
        "select app.begin_request(null, encode(sha256(convert_to($1, 'UTF8')), 'hex'), null, 'r')",
        [key],
      );
      await client.query("set local role curestry_member");
      expect((await client.query("select from core.prompts")).rowCount).toBe(3);
      await client.query("commit");
      await client.query("begin");
      await client.query("set local role curestry_member");
      const { rows } = await client.query("select count(*)::int as n from core.prompts");
      expect(rows).toEqual([{ n: 0 }]);
      expect((await client.query("select app.organization_id(), app.user_id()")).rows).toEqual([
        { organization_id: null, user_id: null },
      ]);
      await client.query("rollback");
      expect((await client.query("select current_user")).rows).toEqual([
        { current_user: "curestry_gateway" },
      ]);
    });
  });

  test("of a request that failed are gone too", async () => {
    await withClient(database.gatewayUrl, async (client) => {
      await client.query("begin");
      await client.query(
        "select app.begin_request(null, encode(sha256(convert_to($1, 'UTF8')), 'hex'), null, 'r')",
        [key],
      );
      await client.query("set local role curestry_member");
      await client.query("select 1/0").catch(() => {});
      await client.query("rollback");
      await client.query("begin");
      await client.query("select app.begin_request(null, null, null, 'r')");
      await client.query("set local role curestry_member");
      expect((await client.query("select from core.prompts")).rowCount).toBe(0);
    });
  });
});

describe("T14: row level security turned off", () => {
  test("for the session is an error, not data", async () => {
    const state = await sqlstate(analyst, "set row_security = off", "select from core.prompts");
    expect(state).toBe("42501");
    await expect(asMember(database, key, async (client) => {
      await client.query("set local row_security = off");
      await client.query("select from core.prompts");
    })).rejects.toMatchObject({ code: "42501" });
  });

  test.each([
    "alter table core.prompts disable row level security",
    "alter table core.prompts no force row level security",
    "create policy mine on core.prompts using (true)",
    "drop policy select_granted on core.prompts",
    "alter policy select_granted on core.prompts using (true)",
    "alter table core.prompts disable trigger all",
    "set session_replication_role = replica",
    "alter role current_user bypassrls",
    "alter role current_user superuser",
    "alter role current_user createrole",
    "alter database current set row_security = off",
    "grant curestry_owner to current_user",
    "grant select on ops.api_key to current_user",
    "grant pg_read_all_data to current_user",
    "alter function app.analyst_organizations() security invoker",
    "update ops.analyst_grant set role_name = session_user",
    "insert into ops.analyst_grant (organization_id, role_name) select id, session_user from ops.organization",
    "delete from ops.analyst_grant",
  ])("is not in the power of an analyst, a worker or a request: %s", async (attack) => {
    const statement = attack.replace("database current ", `database ${database.name} `);
    const write = "set default_transaction_read_only = off";
    for (const url of [analyst, database.workerUrl, database.gatewayUrl]) {
      expect(await sqlstate(url, write, statement)).toBe("42501");
    }
    await expect(asMember(database, key, (client) => client.query(statement))).rejects
      .toMatchObject({ code: "42501" });
  });
});

describe("T16: other roles", () => {
  const roles = [
    "owner",
    "definer",
    "backup",
    "worker",
    "analyst",
    "member",
    "anonymous",
    "gateway",
  ]
    .map((role) => `curestry_${role}`);
  const become = (role: string) => [
    `set role ${role}`,
    `set session authorization ${role}`,
    `select set_config('role', '${role}', false)`,
    `select set_config('session_authorization', '${role}', false)`,
  ];

  test("cannot be become by an analyst or the worker; by the gateway those of a request only", async () => {
    const may: [string, string][] = [];
    for (
      const [name, url] of [
        ["analyst", analyst],
        ["worker", database.workerUrl],
        ["gateway", database.gatewayUrl],
      ] as const
    ) {
      for (const role of [...roles, "postgres"]) {
        for (const statement of become(role)) {
          const state = await sqlstate(url, statement);
          if (state === "") may.push([name, statement]);
          else expect(["42501", "22023"]).toContain(state);
        }
      }
    }
    expect(may).toEqual([
      // The group of all analysts: whose rows they see is still told by who has logged in
      ["analyst", "set role curestry_analyst"],
      ["analyst", "select set_config('role', 'curestry_analyst', false)"],
      // Itself
      ["worker", "set role curestry_worker"],
      ["worker", "set session authorization curestry_worker"],
      ["worker", "select set_config('role', 'curestry_worker', false)"],
      ["worker", "select set_config('session_authorization', 'curestry_worker', false)"],
      ["gateway", "set role curestry_member"],
      ["gateway", "select set_config('role', 'curestry_member', false)"],
      ["gateway", "set role curestry_anonymous"],
      ["gateway", "select set_config('role', 'curestry_anonymous', false)"],
      ["gateway", "set role curestry_gateway"],
      ["gateway", "set session authorization curestry_gateway"],
      ["gateway", "select set_config('role', 'curestry_gateway', false)"],
      ["gateway", "select set_config('session_authorization', 'curestry_gateway', false)"],
    ]);
  });

  test("the group of analysts sees what the one who has logged in sees", async () => {
    expect(await seenBy(analyst, "set role curestry_analyst")).toEqual(await seenBy(analyst));
    const other = await makeAnalyst(database, [theirs]);
    const rows = await query<{ organization_id: string }>(
      other,
      "select distinct organization_id from core.prompts",
    );
    expect(rows).toEqual([{ organization_id: theirs.id }]);
  });

  test.each([
    "reset role",
    "set role none",
    "set session authorization default",
    "reset session authorization",
  ])("a request that says %s is the gateway again, which reads nothing", async (reset) => {
    await expect(asMember(database, key, async (client) => {
      await client.query(reset);
      await client.query("select from core.prompts");
    })).rejects.toMatchObject({ code: "42501" });
  });

  test("a request that resets all settings is nobody's", async () => {
    const seen = await asMember(database, key, async (client) => {
      await client.query("reset all");
      return (await client.query("select from core.prompts")).rowCount;
    });
    expect(seen).toBe(0);
  });

  test("a token that names a role is the person's, with the person's rights", async () => {
    const person = await makePerson(database);
    const [jwk] = await readJwtKeys(readSettings({ CURESTRY_DATA_DIR: inject("server").dataDir }));
    if (!jwk) throw new Error("There is no key");
    const claims = JSON.parse(
      Buffer.from(person.token.split(".")[1] ?? "", "base64url").toString(),
    );
    const token = await new SignJWT({
      ...claims,
      role: "curestry_owner",
      organization_id: theirs.id,
      permissions: ["organization:write"],
      sub: String(theirs.ownerUserId),
    }).setProtectedHeader({ alg: "EdDSA", typ: "JWT", kid: jwk.kid }).sign(
      await importJWK({ ...jwk }, "EdDSA"),
    );
    const { data } = await graphql(gateway.url, {
      token,
      query: "{ viewer { userId organizationSlug } prompts { totalCount } }",
    });
    expect(data).toEqual({
      viewer: { userId: person.userId, organizationSlug: `user-${person.userId}` },
      prompts: { totalCount: 0 },
    });
  });
});
