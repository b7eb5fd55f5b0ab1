/*
 * Slots of a DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees", PVLDB 12(12), 2019): the positive numbers are divided where ln(x) / ln(101/99) is an integer, so that
 * every number of a slot is within 1 % of its sketch_value. The slot depends on the number only, so sketches are
 * merged by adding, and the result equals a sketch of all numbers. 40000 is the middle: slots sort like their
 * numbers, negative ones are mirrored, 0 is 0. Magnitudes beyond 1e-300 and 1e300 count as these.
 */
create or replace function app.sketch_slot(x numeric) returns integer
language sql immutable parallel safe
return case
  when x >= 1e-300 and x <= 1e300 then 40000 + ceil(ln(x::double precision) / 0.020000666706669524)::integer
  when x <= -1e-300 and x >= -1e300 then -40000 - ceil(ln((-x)::double precision) / 0.020000666706669524)::integer
  when x = 0 then 0
  else sign(x)::integer * (40000 + case when abs(x) > 1 then 34538 else -34538 end)
end;
revoke execute on function app.sketch_slot from public;
grant execute on function app.sketch_slot to curestry_definer;
comment on function app.sketch_slot is 'The slot of a quantile sketch that a number falls into.';
