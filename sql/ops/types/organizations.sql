comment on type ops.quota_state is 'A quota: how many of something there may be, and how many there are.';
comment on column ops.quota_state.name is
  E'@notNull\norganizations_of_person (made by you), members_of_organization (with invitations), or '
  'api_keys_of_organization (neither revoked nor expired).';
comment on column ops.quota_state.maximum is E'@notNull\nHow many there may be; one more is refused with LIMIT.';
comment on column ops.quota_state.used is E'@notNull\nHow many there are.';

comment on type ops.legal_hold is 'A legal hold: while it is in force, nothing of what is held is erased or deleted.';
comment on column ops.legal_hold.id is E'@notNull\nIdentifies the hold.';
comment on column ops.legal_hold.reason is 'Why; whoever tries to erase or delete is told.';
comment on column ops.legal_hold.by_operator is
  E'@notNull\nWhether an operator placed it on the command line: then only an operator releases it.';
comment on column ops.legal_hold.placed_at is E'@notNull\nWhen it was placed.';
comment on column ops.legal_hold.released_at is 'When it was released; null: it is in force.';

comment on type ops.erasure is 'What an erasure did, or would do.';
comment on column ops.erasure.id is 'The erasure record; null: nothing was changed.';
comment on column ops.erasure.kind is E'@notNull\nuser or organization.';
comment on column ops.erasure.subject_id is E'@notNull\nThe id of what was erased, which names nobody any more.';
comment on column ops.erasure.counts is
  E'@notNull\nHow many rows of each table were removed or changed, a JSON object.';
grant usage on type ops.quota_state, ops.legal_hold, ops.erasure to curestry_member, curestry_definer;
