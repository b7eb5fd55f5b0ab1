import { expect, test } from "vitest";
import { breakConditions } from "./break_conditions.ts";

/** What is broken in a text, without what is broken in it elsewhere. */
function broken(sql: string): string[] {
  return breakConditions(sql).map(({ what }) => what);
}

test("a condition becomes true and false, and each part of an and is left out", () => {
  expect(breakConditions("delete from t where a = 1")).toMatchObject([
    { what: "a = 1 → true", text: "delete from t where true" },
    { what: "a = 1 → false", text: "delete from t where false" },
  ]);
  expect(broken("select a from t where a = f(b, c) and not d order by a")).toEqual([
    "a = f(b, c) and not d → false",
    "a = f(b, c) → true",
    "not d → true",
  ]);
});

test("parts of an or are false, also in parentheses, and between has an and of its own", () => {
  expect(broken("select from t where (a or b) and c between 1 and 2")).toEqual([
    "(a or b) and c between 1 and 2 → false",
    "(a or b) → true",
    "c between 1 and 2 → true",
    "a → false",
    "b → false",
  ]);
});

test("if, elsif, while, exit when, on and case when have conditions; what looks alike has none", () => {
  const body = `create function f() as $x$ begin
    if a is distinct from b then perform app.g(1); elsif x then null; end if; -- if not z then
    while c loop exit when d; end loop;
    select case when e then 1 end, case v when 2 then 3 end from t join u on t.i = u.i;
    insert into t values (1) on conflict do nothing;
    execute 'drop table if exists t'; execute 'delete from t where g = $1' using 1;
    exception when others then null;
  end $x$`;
  expect([...new Set(broken(body).map((what) => what.replace(/ → (true|false)$/, "")))]).toEqual(
    ["a is distinct from b", "perform app.g(1) → null", "x", "c", "d", "e", "t.i = u.i", "g = $1"],
  );
});

test("what is true already is no break", () => {
  expect(broken("select from t left join u on true where false"))
    .toEqual(["true → false", "false → true"]);
});

test("comparisons are turned at their bounds, and permissions are not asked for", () => {
  expect(breakConditions("return a <= 1")).toMatchObject([
    { what: "<= in return a <= 1 → <", text: "return a < 1" },
  ]);
  expect(broken("return a.b > now()")).toEqual([]);
  expect(broken("v := app.require('a:b')")).toEqual(["app.require('a:b') → app.organization_id()"]);
  expect(broken("perform app.refuse('CU004', 'No'); perform a <@ b, c <> d;"))
    .toEqual(["perform a <@ b, c <> d → null"]);
});
