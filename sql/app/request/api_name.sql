create or replace function app.api_name(name text) returns text
language sql immutable parallel safe set search_path = '' as $$
  select string_agg(case p.n when 1 then p.part else upper(left(p.part, 1)) || substr(p.part, 2) end, '' order by p.n)
    from unnest(string_to_array(name, '_')) with ordinality as p (part, n);
$$;
revoke execute on function app.api_name from public;
grant execute on function app.api_name to curestry_definer;
comment on function app.api_name is 'A column as the API spells it: formatType for format_type.';
