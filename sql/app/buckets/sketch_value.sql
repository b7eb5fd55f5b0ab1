create or replace function app.sketch_value(slot integer) returns numeric
language sql immutable parallel safe
return case
  when slot = 0 then 0
  else sign(slot)::numeric * (0.99 * exp((abs(slot) - 40000) * 0.020000666706669524::double precision))::numeric
end;
revoke execute on function app.sketch_value from public;
grant execute on function app.sketch_value to curestry_definer, curestry_analyst;
comment on function app.sketch_value is
  'The number that represents a slot of a quantile sketch: within 1 % of every number in it.';
