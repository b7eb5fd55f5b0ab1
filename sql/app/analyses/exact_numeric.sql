/*
 * By way of the text, which has the shortest digits that give the same double again: a cast keeps fifteen. A number
 * of the old backends that is none (NaN, Infinity) is null.
 */
create or replace function app.exact_numeric(number double precision) returns numeric
language sql immutable parallel safe
return case when number > '-Infinity' and number < 'Infinity' then number::text::numeric end;
revoke execute on function app.exact_numeric from public;
grant execute on function app.exact_numeric to curestry_definer, curestry_member;
comment on function app.exact_numeric is 'A double as numeric, with all of its digits; null for NaN and Infinity.';
