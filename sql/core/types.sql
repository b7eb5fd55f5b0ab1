comment on type core.tag_match is
  E'@word ANY At least one of the tags.\n'
  '@word ALL Every one of them.\n'
  'How tags are matched.';
grant usage on type core.tag_match to curestry_member, curestry_definer;

comment on type core.prompt_match is
  E'@foreignKey (organization_id, prompt_id) references core.prompts (organization_id, id)|@fieldName prompt\n'
  'A prompt that matches what was looked for.';
comment on column core.prompt_match.rank is
  E'@notNull\n'
  'How well it matches: more of the words, in the name rather than the description, there rather than the '
  'content. Comparable within one search; 0 without words.';
comment on column core.prompt_match.organization_id is E'@behavior -*\nThe organization of the prompt.';
comment on column core.prompt_match.prompt_id is E'@notNull\nThe prompt.';
grant usage on type core.prompt_match to curestry_member, curestry_definer;
