import pg from "pg";
import { describe, expect, test } from "vitest";
import { actingAs, databaseUrl, loginUrl, redactUrl } from "../../src/database/urls.ts";

/** What the client makes of a connection string. */
function parse(url: string) {
  const { host, port, database, user, password } = new pg.Client({ connectionString: url });
  return { host, port, database, user, password };
}

describe("loginUrl", () => {
  test("changes the login and nothing else, whatever the names and passwords hold", () => {
    const url = loginUrl(
      "postgres://me:hush@db:5433/curestry?sslmode=disable",
      "a:b@c",
      "p/%?#&+ ",
    );
    expect(parse(url)).toEqual({
      host: "db",
      port: 5433,
      database: "curestry",
      user: "a:b@c",
      password: "p/%?#&+ ",
    });
    expect(new URL(url).search).toBe("?sslmode=disable");
  });

  test("never leaves the administrator's login, wherever the connection string names it", () => {
    for (
      const url of [
        "postgres:///curestry?host=/run/postgresql&user=me&password=hush",
        "postgres:///curestry?host=/run/postgresql",
        "postgres://db/curestry?user=me&password=hush",
        "postgres://other:too@db/curestry?user=me",
      ]
    ) {
      const login = loginUrl(url, "curestry_gateway", "its own");
      expect(parse(login), url).toMatchObject({
        database: "curestry",
        user: "curestry_gateway",
        password: "its own",
      });
      expect(login, url).not.toMatch(/hush|\+/);
    }
  });

  test("names the database that is ours where the administrator's names none", () => {
    expect(parse(loginUrl("postgres://me@db", "a", "b")).database).toBe("curestry");
  });
});

test("databaseUrl names another database of the same server", () => {
  const url = "postgres://me:hush@db/one?sslmode=disable";
  expect(parse(databaseUrl(url, "two 2"))).toEqual({ ...parse(url), database: "two 2" });
});

test("actingAs keeps the options that there are, in a form that libpq reads too", () => {
  const url = actingAs("postgres://me@db/x?options=-c%20work_mem%3D1MB", "curestry_owner");
  expect(decodeURIComponent(new URL(url).search))
    .toBe("?options=-c work_mem=1MB -c role=curestry_owner");
});

test("redactUrl shows no password", () => {
  expect(redactUrl("postgres://me:hush@db/x?password=hush&sslpassword=hush")).toBe(
    "postgres://me@db/x",
  );
});
