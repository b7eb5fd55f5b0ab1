import { expect, test } from "vitest";
import { findStyleFaults } from "../src/develop/check_sql_style.ts";

/** `deno task ok:sql`: every rule finds its breach, and leaves alone what is in our style. */

const revoke = "revoke execute on function app.f from public;\n";
const comment = "comment on function app.f is 'Adds.';\n";

/** A definition of app.f, in our style unless it is told otherwise. */
function define(header: string, following = `${revoke}${comment}`): string {
  return `create or replace function app.f(a integer) returns ${header} as $$
  select a + 1;
$$;
${following}`;
}

const rules: [rule: string, bad: string, good: string, line?: number][] = [
  [
    "a line has at most 120 characters",
    `select 1;\nselect '${"x".repeat(112)}';\n`,
    `select '${"…".repeat(110)}';\n`,
    2,
  ],
  ["no tab", "select\t1;\n", "select 1;\n"],
  ["no white space at the end of a line", "select 1; \n", "select 1;\n"],
  ["the file ends with one newline", "select 1;", "select 1;\n"],
  ["the file ends with one newline", "select 1;\n\n", "", 3],
  [
    "keywords are in lower case",
    define("integer\nlanguage sql stable").replace("select a", "SELECT a"),
    `-- SELECT
/* INSERT
   UPDATE */
select 'DELETE', E'it\\'s WHERE', "FROM", NEW.id, OLD.id from t where TG_OP = 'it''s INSERT';\n`,
    3,
  ],
  [
    "a positional template has at most 4 parameters",
    "select format('%1$I %5$L', a, b, c, d, e);\n",
    "select format('%1$I %2$L %3$s %4$s %1$I', a, b, c, d);\n",
  ],
  [
    "app.f states its volatility",
    define("integer\nlanguage sql set search_path = ''"),
    define("integer\nlanguage sql immutable set search_path = ''"),
  ],
  [
    "app.f states its volatility",
    define("integer\nlanguage sql").replace("a + 1", "'volatile'"),
    define("trigger\nlanguage plpgsql"),
  ],
  [
    "app.f is followed by its revoke execute",
    define("integer\nlanguage sql stable", `${revoke.replace("app.f", "app.f_other")}${comment}`),
    `create or replace function app.f(a integer) returns integer
language sql immutable parallel safe
return a + 1;
${revoke}${comment}`,
  ],
  [
    "app.f is followed by its comment",
    define("integer\nlanguage sql stable", revoke),
    "select format('create or replace function app.f() returns trigger');\n",
  ],
];

test.each(rules)("%s", (rule, bad, good, line = 1) => {
  expect(findStyleFaults(bad)).toEqual([{ line, rule }]);
  expect(findStyleFaults(good)).toEqual([]);
});
