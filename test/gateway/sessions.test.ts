import { generateKeyPairSync } from "node:crypto";
import { expect, inject, test } from "vitest";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";
import { makePerson, signIn } from "../helpers/token.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

async function post(path: string, token: string | null) {
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === "" ? null : JSON.parse(text),
    headers: response.headers,
  };
}

async function viewer(token: string, url = gateway.url) {
  const { status, data } = await graphql<{ viewer: { email: string } | null }>(url, {
    token,
    query: "{ viewer { email } }",
  });
  return { status, email: data?.viewer?.email };
}

/** Lets the time pass that a session has left, as the database knows it. */
async function endEarly(token: string): Promise<void> {
  const ended = await database.query(
    "update core.sessions set expires_at = clock_timestamp() where jwt_id = $1 returning id",
    [JSON.parse(atob(token.split(".")[1] ?? "")).jti],
  );
  expect(ended).toHaveLength(1);
}

test("a refreshed session has a new token; the old one is refused", async () => {
  const person = await makePerson(database);
  const { status, body, headers } = await post("/auth/refresh", person.token);
  expect(status).toBe(200);
  expect(headers.get("cache-control")).toBe("no-store");
  expect(Math.abs(Date.parse(body.expiresAt) - Date.now() - 3_600_000)).toBeLessThan(60_000);
  expect(await viewer(body.token)).toEqual({ status: 200, email: person.email });
  expect((await viewer(person.token)).status).toBe(401);
  expect((await post("/auth/refresh", person.token)).status).toBe(401);
});

test("a session that is refreshed twice at once has one successor", async () => {
  const person = await makePerson(database);
  const answers = await Promise.all([1, 2, 3, 4].map(() => post("/auth/refresh", person.token)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401]);
});

test("a session that ends while it is refreshed has no successor", async () => {
  const person = await makePerson(database);
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("update core.sessions set revoked_at = now() where user_id = $1", [
      person.userId,
    ]);
    const refresh = post("/auth/refresh", person.token);
    await untilBlocked(database);
    await client.query("commit");
    expect((await refresh).status).toBe(401);
  });
  expect(
    await database.query("select from core.sessions where user_id = $1", [person.userId]),
  ).toHaveLength(1);
});

test("after sign-out the token is refused with the next request, and all others go on", async () => {
  const person = await makePerson(database);
  const others = [await signIn(database, person.email), await makePerson(database)];
  expect((await viewer(person.token)).status).toBe(200);
  expect((await post("/auth/sign-out", person.token)).status).toBe(204);
  const again = await post("/auth/sign-out", person.token);
  expect(again.status).toBe(401);
  expect(again.headers.get("www-authenticate")).toBe("Bearer");
  expect((await viewer(person.token)).status).toBe(401);
  for (const { token } of others) expect((await viewer(token)).status).toBe(200);
});

test("a session that was ended early is refused, although its token says that it lasts", async () => {
  const person = await makePerson(database);
  const other = await signIn(database, person.email);
  await endEarly(person.token);
  expect((await viewer(person.token)).status).toBe(401);
  expect((await post("/auth/refresh", person.token)).status).toBe(401);
  expect((await viewer(other.token)).status).toBe(200);
});

test("sign-out everywhere ends all sessions of the user, and nobody else's", async () => {
  const person = await makePerson(database);
  const other = await makePerson(database);
  const second = await signIn(database, person.email);
  const [left, ended] = [
    await signIn(database, person.email),
    await signIn(database, person.email),
  ];
  expect((await post("/auth/sign-out", left.token)).status).toBe(204);
  await endEarly(ended.token);
  const { data } = await graphql<{ signOutEverywhere: { result: number } }>(gateway.url, {
    token: second.token,
    query: "mutation { signOutEverywhere(input: {}) { result } }",
  });
  expect(data?.signOutEverywhere.result).toBe(2);
  for (const { token } of [person, second]) expect((await viewer(token)).status).toBe(401);
  expect((await viewer(other.token)).status).toBe(200);
});

test("a person whose personal organization was deleted is a person still", async () => {
  const person = await makePerson(database);
  await database.query("delete from ops.organization where personal_user_id = $1", [person.userId]);
  expect(await viewer(person.token)).toEqual({ status: 200, email: person.email });
});

test("people list their own sessions", async () => {
  const person = await makePerson(database);
  await signIn(database, person.email);
  await makePerson(database);
  const { data } = await graphql<{ sessions: { nodes: { userId: number }[] } }>(gateway.url, {
    token: person.token,
    query: "{ sessions { nodes { userId createdAt expiresAt revokedAt } } }",
  });
  expect(data?.sessions.nodes.map(({ userId }) => userId)).toEqual([person.userId, person.userId]);
});

test("only sessions can be refreshed and signed out", async () => {
  const key = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
  for (const path of ["/auth/refresh", "/auth/sign-out"]) {
    for (const credential of [key, null, "nonsense"]) {
      const { status, body } = await post(path, credential);
      expect(status).toBe(401);
      expect(body.errors[0].extensions.code).toBe("UNAUTHENTICATED");
    }
  }
});

test("with a new key in front, tokens of the old one go on, and new ones bear the new one", async () => {
  const person = await makePerson(database);
  const old = await readJwtKeys(readSettings({ CURESTRY_DATA_DIR: inject("server").dataDir }));
  const fresh = {
    ...generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }),
    kid: "fresh",
  };
  const rotated = await startGateway(database, {
    jwtKeys: [fresh, ...old.map((key) => ({ ...key }))],
  });
  try {
    expect((await viewer(person.token, rotated.url)).status).toBe(200);
    const response = await fetch(`${rotated.url}/auth/refresh`, {
      method: "POST",
      headers: { authorization: `Bearer ${person.token}` },
    });
    const { token } = await response.json();
    expect(JSON.parse(atob(token.split(".")[0])).kid).toBe("fresh");
    expect((await viewer(token, rotated.url)).status).toBe(200);
    // A gateway that does not know the new key yet refuses it
    expect((await viewer(token)).status).toBe(401);
  } finally {
    await rotated.stop();
  }
});
