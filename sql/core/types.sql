comment on type core.tag_match is 'ANY: at least one of the tags. ALL: every one of them.';
grant usage on type core.tag_match to curestry_member, curestry_definer;
