comment on type ops.entity_change is 'A change of a row, from the audit log.';
comment on column ops.entity_change.at is E'@notNull\nWhen.';
comment on column ops.entity_change.action is
  E'@notNull\ninsert, update, delete or truncate; baseline: the row as it was when the log begins.';
comment on column ops.entity_change.actor_user_id is 'Which user, if a request to the API changed it.';
comment on column ops.entity_change.actor_email is
  'The user''s e-mail address, if the account is still there and you may read members.';
comment on column ops.entity_change.actor_api_key_id is 'With which API key.';
comment on column ops.entity_change.actor_api_key_name is 'The name of the key.';
comment on column ops.entity_change.actor_role is E'@notNull\nWhich login of the database.';
comment on column ops.entity_change.request_id is 'The X-Request-Id of the request.';
comment on column ops.entity_change.changes is
  E'@notNull\nThe columns that changed; of a new or a removed row, those that have a value.';
comment on column ops.entity_change.erasure_id is 'Which erasure removed values; null: they are complete.';
comment on column ops.entity_change.sentence is
  E'@notNull\nAll that in a sentence: "anna@example.org changed content and tags".';

comment on type ops.column_change is 'The change of a column.';
comment on column ops.column_change."column" is E'@notNull\nThe column.';
comment on column ops.column_change.before is 'Its value before; null if there was none, or it is a secret.';
comment on column ops.column_change.after is 'Its value after; null if there is none, or it is a secret.';
grant usage on type ops.column_change, ops.entity_change to curestry_member, curestry_definer;
