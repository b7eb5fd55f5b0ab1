import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";
import { type Refusal, withErasures } from "./erasure.ts";

/** What is under legal hold is not erased, nor deleted by its owner (the trigger _200_held). */

const database = withTestDatabase();
const gateway = withGateway(database);
const { env, erase, problems, find } = withErasures(database);

describe("a legal hold", () => {
  const hold = (...args: string[]) =>
    cliJson<{ id: string }>(["legal-hold", "place", ...args, "--reason", "Smith v. Acme"], {
      env: env(),
    });
  const release = (id: string) => cliJson(["legal-hold", "release", id], { env: env() });

  test("that was released keeps no reason when its organization is erased", async () => {
    const organization = await makeOrganization(database);
    const { id } = await hold("--organization", organization.slug);
    await release(id);
    const other = await hold("--organization", (await makeOrganization(database)).slug);
    await release(other.id);
    const reasons = (hold = id) =>
      database.query<{ reason: string | null; logged: number }>(
        `select h.reason, (select count(*)::int from ops.audit_log a
                            where a.entity_id = h.id::text and (a.before_state::text || a.after_state::text) like '%Smith v. Acme%'
                               or a.entity_id = h.id::text and a.after_state::text like '%Smith v. Acme%') as logged
           from app.legal_hold h where h.id = $1`,
        [hold],
      );
    expect(await reasons()).toEqual([{ reason: "Smith v. Acme", logged: 2 }]);
    expect(await erase("organization", organization.slug)).toMatchObject({
      counts: { "app.legal_hold": 1 },
    });
    expect(await reasons()).toEqual([{ reason: null, logged: 0 }]);
    expect(await reasons(other.id)).toEqual([{ reason: "Smith v. Acme", logged: 2 }]);
    expect(await problems()).toEqual([]);
    // Of one that was never held nothing is said
    const never = await erase("organization", (await makeOrganization(database)).slug);
    expect(Object.keys(never.counts)).not.toContain("app.legal_hold");
  });

  test("on an organization keeps it, and its members, until it is released", async () => {
    const organization = await makeOrganization(database);
    const member = await makePerson(database, "held-member@x.example");
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'viewer')",
      [organization.id, member.userId],
    );
    const { id } = await hold("--organization", organization.slug);
    const refusals = [
      await erase<Refusal>("organization", organization.slug, 1),
      await erase<Refusal>("user", member.email, 1),
    ];
    for (const { error } of refusals) {
      expect(error.code).toBe("CONFLICT");
      expect(error.message).toContain(`is under legal hold ${id} (Smith v. Acme)`);
    }
    const owner = await makePerson(database, "held-owner@x.example");
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'owner')",
      [organization.id, owner.userId],
    );
    const remove = () =>
      graphql(gateway.url, {
        token: owner.token,
        organization: organization.slug,
        query:
          `mutation { deleteOrganization(input: { id: "${organization.id}" }) { organization { id } } }`,
      });
    const { errors } = await remove();
    expect(errors?.[0]?.message).toContain(`is under legal hold ${id} (Smith v. Acme)`);
    expect(errors?.[0]?.extensions?.code).toBe("CONFLICT");
    expect(await database.query("select app.legal_hold_exists($1) as held", [organization.id]))
      .toEqual([
        { held: true },
      ]);
    // Others are not held, nor is who left before
    const former = await makePerson(database, "held-former@x.example");
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role, status) values ($1, $2, 'viewer', 'removed')",
      [organization.id, former.userId],
    );
    expect(await erase("user", former.email)).toMatchObject({ kind: "user" });
    expect(await erase("organization", (await makeOrganization(database)).slug))
      .toMatchObject({ kind: "organization" });
    const second = await hold("--organization", (await makeOrganization(database)).slug);
    const { holds } = await cliJson<{ holds: { id: string }[] }>(["legal-hold", "list"], {
      env: env(),
    });
    expect(holds.filter((hold) => hold.id === id)).toEqual([expect.objectContaining({
      organization: organization.slug,
      email: null,
      reason: "Smith v. Acme",
      releasedAt: null,
    })]);
    await release(id);
    expect(
      (await cliJson<{ holds: { id: string }[] }>(["legal-hold", "list"], { env: env() })).holds
        .filter((hold) => hold.id === second.id),
    ).toEqual([expect.objectContaining({ releasedAt: null })]);
    expect(await database.query("select app.legal_hold_exists($1) as held", [organization.id]))
      .toEqual([
        { held: false },
      ]);
    await erase("user", member.email);
    expect((await remove()).errors).toBeUndefined();
    const acts = await database.query(
      "select action from ops.audit_log where entity_type = 'app.legal_hold' and entity_id = $1 order by seq",
      [id],
    );
    expect(acts).toEqual([{ action: "insert" }, { action: "update" }]);
    const { error } = await cliJson<Refusal>(["legal-hold", "release", id], { env: env() }, 1);
    expect(error.message).toContain("There is no legal hold");
  });

  test("on a user keeps their personal organization too; its reason goes when they are erased", async () => {
    const person = await makePerson(database, "held@x.example");
    const [{ id: organization } = { id: "" }] = await database.query<{ id: string }>(
      "select id from ops.organization where personal_user_id = $1",
      [person.userId],
    );
    const { id } = await hold("--user", person.email);
    expect(await database.query("select app.legal_hold_exists($1) as held", [organization]))
      .toEqual([
        { held: true },
      ]);
    const { error } = await erase<Refusal>("user", person.email, 1);
    expect(error.message).toContain(`is under legal hold ${id}`);
    const { holds } = await cliJson<{ holds: { id: string }[] }>(["legal-hold", "list"], {
      env: env(),
    });
    expect(holds.filter((hold) => hold.id === id)).toEqual([
      expect.objectContaining({ organization: null, userId: person.userId, email: person.email }),
    ]);
    const other = await makePerson(database, "not-held@x.example");
    expect(await erase("user", other.email)).toMatchObject({ kind: "user" });
    expect(await find("held@x.example")).toContain("core.users.email");
    await release(id);
    await erase("user", person.email);
    expect(await database.query("select reason from app.legal_hold where id = $1", [id])).toEqual([
      { reason: null },
    ]);
    expect(await problems()).toEqual([]);
  });

  test("on what is not there, or not any more, is refused", async () => {
    const person = await makePerson(database, "gone@x.example");
    await erase("user", person.email);
    const place = (organization: string | null, user: number | null) =>
      database.query("select app.legal_hold_place($1, $2, 'r')", [organization, user]);
    for (const user of [person.userId, 2_000_000_000]) {
      await expect(place(null, user)).rejects.toMatchObject({ code: "CU003" });
    }
    await expect(place(randomUUID(), null)).rejects.toMatchObject({ code: "CU003" });
  });

  test("needs one thing to hold, and a reason", async () => {
    for (
      const args of [[], ["--organization", "x", "--user", "y@x.example"]]
    ) {
      const { code } = await cli(["legal-hold", "place", ...args, "--reason", "r"], { env: env() });
      expect(code).toBe(2);
    }
    const organization = await makeOrganization(database);
    const { error } = await cliJson<Refusal>(
      ["legal-hold", "place", "--organization", organization.slug, "--reason", " "],
      { env: env() },
      1,
    );
    expect(error.message).toContain("reason must not be blank");
  });
});
