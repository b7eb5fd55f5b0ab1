comment on type core.tag_match is
  E'@word ANY At least one of the tags.\n'
  '@word ALL Every one of them.\n'
  'How tags are matched.';
grant usage on type core.tag_match to curestry_member, curestry_definer;
