/*
 * No control characters, none that are invisible, and none that change the direction of what follows. Joiners and
 * variants of emoji are characters of names where they follow something beyond ASCII.
 */
create or replace function app.text_is_plain(text text) returns boolean
language sql immutable parallel safe
return text !~ ('[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f'
                '\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]')
       and text !~ '(^|[\u0001-\u007f])[\u200c\u200d\ufe00-\ufe0f]';
revoke execute on function app.text_is_plain from public;
grant execute on function app.text_is_plain to curestry_definer;
comment on function app.text_is_plain is 'Whether a text, as of a name, shows all that is in it.';
