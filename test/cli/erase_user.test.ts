import { describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";
import { makePerson, type TestPerson } from "../helpers/token.ts";
import { type Receipt, type Refusal, withErasures } from "./erasure.ts";

/** People are taken out of everything, and the audit log still proves itself. */

const database = withTestDatabase();
const gateway = withGateway(database);
const { env, erase, seal, problems, find } = withErasures(database);

let made = 0;

/** A person of whom there is something everywhere, also in an organization with others. */
async function makeTraces(): Promise<
  { person: TestPerson; canary: string; shared: TestOrganization; promptId: string; runId: string }
> {
  const canary = `canary${++made}`;
  const shared = await makeOrganization(database);
  const person = await makePerson(database, `${canary}@x.example`);
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
    [shared.id, person.userId],
  );
  const send = (operation: string, organization?: string) =>
    graphqlData<Record<string, Record<string, { id: string }>>>(gateway.url, {
      token: person.token,
      ...(organization === undefined ? {} : { organization }),
      query: `mutation { ${operation} }`,
    });
  await send(
    `updateUser(input: { id: ${person.userId}, patch: { name: "${canary} Name", avatarUrl: "https://${canary}.example" } }) { user { id } }`,
  );
  await database.query(
    `insert into core.auth_accounts (user_id, provider, provider_account_id, access_token, raw_profile)
     values ($1, 'github', $2::text, $2::text, jsonb_build_object('login', $2::text))`,
    [person.userId, canary],
  );
  const made_ = await send(
    `createPrompt(input: { prompt: { name: "shared", content: "first" } }) { prompt { id } }`,
    shared.slug,
  );
  const promptId = made_.createPrompt?.prompt?.id ?? "";
  await send(
    `updatePrompt(input: { id: "${promptId}", patch: { content: "second" } }) { prompt { id } }`,
    shared.slug,
  );
  const started = await send(
    `startAnalysisRun(input: { promptId: "${promptId}" }) { result { id } }`,
    shared.slug,
  );
  await send(
    `createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { id } }`,
    shared.slug,
  );
  await send(
    `inviteMember(input: { email: "somebody-${
      canary.slice(6)
    }@y.example", role: "viewer" }) { result { userId } }`,
    shared.slug,
  );
  // The personal organization is nobody else's: anything in it may be about the person
  const own = await send(
    `createPrompt(input: { prompt: { name: "${canary}", content: "${canary} one", tags: ["${canary}"] } }) { prompt { id } }`,
  );
  await send(
    `updatePrompt(input: { id: "${own.createPrompt?.prompt?.id}", patch: { content: "${canary} two" } }) { prompt { id } }`,
  );
  await send(`startAnalysisRun(input: { promptContent: "${canary}" }) { result { id } }`);
  await send(
    `recordFeatureEvents(input: { events: [{ featureKey: "${canary}" }] }) { clientMutationId }`,
  );
  const [personal] = await database.query<{ id: string; slug: string }>(
    "select id, slug from ops.organization where personal_user_id = $1",
    [person.userId],
  );
  if (!personal) throw new Error("There is no personal organization");
  const key = await makeKey(
    database,
    { ...personal, ownerUserId: person.userId, ownerEmail: person.email },
    ["analyses:write"],
  );
  await recordAnalyses(gateway.url, key, [{
    promptContent: canary,
    result: RESULT,
    metrics: [{ key: canary, valueText: canary }, { key: `${canary} n`, valueNum: 1 }],
    nodeResults: [{ node: canary, status: "ok" }],
  }]);
  return { person, canary, shared, promptId, runId: started.startAnalysisRun?.result?.id ?? "" };
}

describe("a user", () => {
  test("is taken out of every table and of the log, sealed or not, and the log is whole", async () => {
    const before = await makeTraces();
    const { person, canary, shared, promptId, runId } = before;
    // Invited to one organization, and gone from another; and a key that ended before
    const [inviting, former] = [await makeOrganization(database), await makeOrganization(database)];
    for (const [{ id }, status] of [[inviting, "invited"], [former, "removed"]] as const) {
      await database.query(
        `with m as (insert into ops.organization_user (organization_id, user_id, role, status)
                    values ($1, $2, 'viewer', $3) returning id)
         insert into ops.invitation (organization_id, organization_user_id, code_hash, expires_at)
         select $1, m.id, encode(sha256($1::text::bytea), 'hex'), now() + interval '1 day' from m`,
        [id, person.userId, status],
      );
    }
    await graphqlData(gateway.url, {
      token: person.token,
      organization: shared.slug,
      query: `mutation ($id: UUID!) { revokeApiKey(input: { id: $id }) { result { id } } }`,
      variables: {
        id: (await graphqlData<{ createApiKey: { result: { id: string } } }>(gateway.url, {
          token: person.token,
          organization: shared.slug,
          query:
            `mutation { createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { id } } }`,
        })).createApiKey.result.id,
      },
    });
    await seal();
    await database.query("select app.mart_refresh_all()");
    // Not sealed, and marts not yet brought up to date, when the erasure comes
    await graphqlData(gateway.url, {
      token: person.token,
      query:
        `mutation { updateUser(input: { id: ${person.userId}, patch: { name: "${canary} 2" } }) { user { id } }
        recordFeatureEvents(input: { events: [{ featureKey: "${canary} late" }] }) { clientMutationId } }`,
    });
    const traces = await find(canary);
    for (
      const place of [
        "core.users.email",
        "core.users.name",
        "core.users.avatar_url",
        "core.auth_accounts.raw_profile",
        "core.prompts.content",
        "core.prompt_versions.content",
        "ops.analysis_metric.value_text",
        "ops.audit_log.before_state",
        "ops.audit_log.after_state",
        "mart.feature_daily.feature_key",
        "ops.organization.name",
      ]
    ) expect(traces).toContain(place);
    const other = await makeTraces();
    const otherTraces = await find(other.canary);
    const invitations = async () =>
      (await database.query<{ id: string }>(
        "select organization_id as id from ops.invitation order by 1",
      )).map(({ id }) => id);
    expect(await invitations()).toEqual(
      expect.arrayContaining([inviting.id, former.id, shared.id, other.shared.id]),
    );

    const dry = await cliJson<{ dryRun: boolean; counts: object }>(
      ["user", "erase", person.email, "--dry-run"],
      { env: env() },
    );
    expect(dry).toMatchObject({ dryRun: true, counts: { "core.users": 1, "core.sessions": 1 } });
    expect(await find(canary)).toEqual(traces);

    const receipt = await erase("user", person.email.toUpperCase());
    expect(receipt).toMatchObject({
      kind: "user",
      subjectId: String(person.userId),
      counts: {
        "core.users": 1,
        "core.sessions": 1,
        "core.auth_accounts": 1,
        "core.prompts": 1,
        "core.prompt_versions": 2,
        "ops.organization": 1,
        "ops.api_key": 2,
        "ops.invitation": 2,
        // Their own, the shared one, and the one that they were invited to
        "ops.organization_user": 3,
      },
    });
    expect(Object.values(receipt.counts)).not.toContain(0);
    expect(receipt.counts).toEqual((dry as unknown as Receipt).counts);

    expect(await find(canary)).toEqual([]);
    await database.query("select app.mart_refresh_all()");
    expect(await find(canary)).toEqual([]);
    expect(await problems()).toEqual([]);
    await seal();
    expect(await find(canary)).toEqual([]);
    const verdict = await cli(["audit", "verify"], { env: env() });
    expect(verdict.stdout).toContain("The audit log is whole");
    expect(verdict.code).toBe(0);
    expect(await find(other.canary)).toEqual(expect.arrayContaining(otherTraces));
    // What held nothing personal lost nothing
    expect(
      await database.query(
        "select from ops.audit_log where entity_type = 'core.sessions' and erasure_id is not null",
      ),
    ).toEqual([]);
    expect((await invitations()).toSorted()).toEqual([shared.id, other.shared.id].toSorted());

    // What they did for the shared organization stays, under a number
    const key = await makeKey(database, shared, ["prompts:read", "analyses:read", "members:read"]);
    const left = await graphqlData(gateway.url, {
      key,
      query: `query ($prompt: String!, $run: UUID!) {
        prompt(id: $prompt) { content promptVersions { nodes { userId } } }
        analysisRun(id: $run) { userId user { email name erasedAt } } }`,
      variables: { prompt: promptId, run: runId },
    });
    expect(left).toEqual({
      prompt: {
        content: "second",
        promptVersions: { nodes: [{ userId: person.userId }, { userId: person.userId }] },
      },
      analysisRun: {
        userId: person.userId,
        user: { email: null, name: null, erasedAt: expect.any(String) },
      },
    });
    const [state] = await database.query(
      `select (select string_agg(distinct status, ', ') from ops.organization_user where user_id = $1) as membership,
              (select bool_and(is_revoked) from ops.api_key where user_id = $1) as revoked,
              (select kind || ' ' || subject_id from app.erasure where id = $2) as receipt`,
      [person.userId, receipt.id],
    );
    expect(state).toEqual({
      membership: "removed",
      revoked: true,
      receipt: `user ${person.userId}`,
    });
    const answer = await graphql(gateway.url, {
      token: person.token,
      query: "{ viewer { email } }",
    });
    expect(answer.status).toBe(401);

    const again = await erase<Refusal>("user", person.email, 1);
    expect(again.error).toMatchObject({ code: "NOT_FOUND" });
    expect(again.error.message).toContain("There is no user with the e-mail address");
  });

  test("who is named in what others wrote is told to the operator, who decides", async () => {
    const organization = await makeOrganization(database);
    const person = await makePerson(database, "named@x.example");
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'Write to Named@x.example')",
      [organization.id],
    );
    await database.query("update core.users set name = 'Zoë Nameless' where id = $1", [
      person.userId,
    ]);
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'For zoë nameless', 'b')",
      [organization.id],
    );
    const dry = await cliJson<{ mentions: object }>(
      ["user", "erase", person.email, "--dry-run"],
      { env: env() },
    );
    const expected = {
      "core.prompt_versions.content": 1,
      "core.prompts.content": 1,
      "core.prompts.name": 1,
      "ops.audit_log.after_state": 3,
    };
    expect(dry.mentions).toEqual(expected);
    expect(await erase("user", person.email)).toMatchObject({ mentions: expected });
    expect(await find("named@x.example")).not.toContain("core.users.email");
  });

  test("is erased with what somebody writes at the same moment, and what is sealed then", async () => {
    const person = await makePerson(database, "busy@x.example");
    const [personal] = await database.query<{ id: string }>(
      "select id from ops.organization where personal_user_id = $1",
      [person.userId],
    );
    await seal();
    await withClient(database.adminUrl, async (writer) => {
      await writer.query("begin");
      await writer.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'busy@x.example', 'busy@x.example')",
        [personal?.id],
      );
      const erasing = database.query("select * from app.erase_user($1)", [person.userId]);
      await untilBlocked(database);
      await seal();
      await writer.query("commit");
      await erasing;
    });
    expect(await find("busy@x.example")).toEqual([]);
    await seal();
    expect(await problems()).toEqual([]);
  });

  test("who was an operator is none any more", async () => {
    const person = await makePerson(database, "operator@x.example");
    const other = await makePerson(database, "operator-2@x.example");
    for (const { email } of [person, other]) {
      await cliJson(["operator", "grant", email], { env: env() });
    }
    const rows = () =>
      database.query("select from app.platform_admin where user_id = $1", [person.userId]);
    expect(await rows()).toHaveLength(1);
    expect(await erase("user", person.email)).toMatchObject({
      counts: { "app.platform_admin": 1 },
    });
    expect(await rows()).toHaveLength(0);
    const { stdout } = await cli(["operator", "list"], { env: env() });
    expect(stdout).toContain(other.email);
  });

  test("stays erased, whatever a request writes that began before", async () => {
    const person = await makePerson(database, "late@x.example");
    await erase("user", person.email);
    await expect(
      database.query("update core.users set name = 'Late' where id = $1", [person.userId]),
    ).rejects.toMatchObject({ constraint: "chk_users_erased_at" });
  });

  test("who is the last owner of an organization hands over first", async () => {
    const organization = await makeOrganization(database);
    // Neither a viewer nor who was only invited is an owner
    for (const [role, status] of [["viewer", "active"], ["owner", "invited"]]) {
      await database.query(
        "insert into ops.organization_user (organization_id, user_id, role, status) values ($1, $2, $3, $4)",
        [organization.id, (await makePerson(database)).userId, role, status],
      );
    }
    const { error } = await erase<Refusal>("user", organization.ownerEmail, 1);
    expect(error.code).toBe("CONFLICT");
    expect(error.message).toContain(`the last owner of ${organization.slug}`);
    expect(error.message).toContain("`member role`");
    const heir = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'owner')",
      [organization.id, heir.userId],
    );
    expect(await erase("user", organization.ownerEmail)).toMatchObject({ kind: "user" });
  });

  test("whose personal organization has others in it has to part from them first", async () => {
    const person = await makePerson(database, "host@x.example");
    const guest = await makePerson(database, "guest@x.example");
    await database.query(
      `insert into ops.organization_user (organization_id, user_id, role)
       select id, $2, 'viewer' from ops.organization where personal_user_id = $1`,
      [person.userId, guest.userId],
    );
    const { error } = await erase<Refusal>("user", person.email, 1);
    expect(error.message).toContain("has other members: remove them first");
    expect(await find("host@x.example")).toContain("core.users.email");
    await database.query(
      "update ops.organization_user set status = 'removed' where user_id = $1 and role = 'viewer'",
      [guest.userId],
    );
    expect(await erase("user", person.email)).toMatchObject({ kind: "user" });
  });

  test("whose address looks like another's is named exactly, as the old backends had them", async () => {
    await database.query("alter table core.users disable trigger _100_text");
    await database.query(
      "insert into core.users (email) values ('ｔwin@x.example'), ('twin@x.example'), ('TWIN@y.example')",
    );
    await database.query("alter table core.users enable trigger _100_text");
    const { error } = await erase<Refusal>("user", "ＴWIN@x.example", 1);
    expect(error).toMatchObject({ code: "CONFLICT" });
    expect(error.message).toContain("Several users");
    await erase("user", "ｔwin@x.example");
    const left = () =>
      database.query("select email from core.users where email ilike '%twin@%' order by 1");
    expect(await left()).toEqual([{ email: "TWIN@y.example" }, { email: "twin@x.example" }]);
    await erase("user", " Ｔwin@X.example");
    await erase("user", "twin@Y.example");
    expect(await left()).toEqual([]);
  });

  test("who is not there, or was erased before, is refused in SQL too", async () => {
    const person = await makePerson(database, "once@x.example");
    await erase("user", person.email);
    for (const id of [person.userId, 2_000_000_000]) {
      await expect(database.query("select app.erase_user($1)", [id])).rejects
        .toMatchObject({ code: "CU003" });
    }
  });

  test("is not erased without a yes", async () => {
    const person = await makePerson(database, "doubt@x.example");
    const { code, stderr } = await cli(["user", "erase", person.email], { env: env() });
    expect(code).toBe(2);
    expect(stderr).toContain("add --yes");
    expect(await find("doubt@x.example")).toContain("core.users.email");
  });
});
