/*
 * The log keeps it for as long as the row, also when the person is erased: so it may not say who they are. Marks of the
 * system's own work are nobody else's.
 */
create or replace function app.request_id_to_keep(request_id text, user_id integer) returns text
language sql stable security definer set search_path = '' as $$
  select case
    when request_id is null then ''
    when request_id ~* '^\W*(migration|retention|restore|erasure|operator|worker|system)\W*$'
      or request_id like '%@%'
      or exists (
           select from core.users u,
                  unnest(array[split_part(u.email, '@', 1)] || regexp_split_to_array(u.name, '\W+')) as n (word)
            where u.id = request_id_to_keep.user_id and char_length(n.word) >= 3
              and position(lower(n.word) in lower(request_id)) > 0)
      then 'id-' || encode(sha256(convert_to(request_id, 'UTF8')), 'hex')
    else left(request_id, 128)
  end;
$$;
alter function app.request_id_to_keep owner to curestry_definer;
revoke execute on function app.request_id_to_keep from public;
comment on function app.request_id_to_keep is
  'The id of a request as the log may keep it: a digest in place of one with an address, the name of the user, or a '
  'word of the system''s own.';
