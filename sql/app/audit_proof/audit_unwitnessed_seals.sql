/*
 * A checkpoint is written within moments of the seal. One without any has lost it, or was made anew; and one whose
 * first checkpoint is much younger was not written down when it was made. A checkpoint without a time counts for all
 * seals up to its own.
 */
create or replace function app.audit_unwitnessed_seals(
  checkpoints jsonb, grace interval default '5 seconds', tolerance interval default '15 minutes'
) returns table (organization uuid, from_seq integer, through_seq integer, sealed_at timestamptz, first_at timestamptz)
language sql stable security definer set search_path = '' as $$
  with seal_or_checkpoint as (
    select s.organization_id, s.seq, s.sealed_at, null::timestamptz as at from app.audit_seal s
    union all
    select c.organization, c.seq, null, coalesce(c.at, '-infinity')
      from jsonb_to_recordset(checkpoints) as c (organization uuid, seq integer, at timestamptz)
  ), witnessed as (
    select x.organization_id, x.seq, x.sealed_at,
           min(x.at) over (partition by x.organization_id order by x.seq desc) as first_at
      from seal_or_checkpoint x
  )
  select w.organization_id, min(w.seq), max(w.seq), min(w.sealed_at), min(w.first_at)
    from witnessed w
   where w.sealed_at is not null
     and case when w.first_at is null then w.sealed_at < clock_timestamp() - grace
              else w.first_at > w.sealed_at + tolerance end
   group by w.organization_id, w.first_at is null
   order by 1, 2;
$$;
alter function app.audit_unwitnessed_seals owner to curestry_definer;
revoke execute on function app.audit_unwitnessed_seals from public;
grant execute on function app.audit_unwitnessed_seals to curestry_owner;
comment on function app.audit_unwitnessed_seals is
  'The seals that were not written down outside of the database when they were made, by the checkpoints given as '
  '[{organization, seq, at}]. For operators.';
