const month = new Date().toISOString().slice(0, 7).replace("-", "_");

const made = "is not what the migrations make";
const foreign = "is none of ours";

/** What a superuser can change by hand so that rules no longer hold, and what a finding says of it first. */
export type Breach = [what: string, breach: string, object: string];

/**
 * Breaches of all kinds.
 *
 * @param role a name for the login that some of them make
 * @param database the name of the database
 */
export function breachesBy(role: string, database: string): Breach[] {
  return [
    [
      "membership in curestry_definer",
      `create role ${role} login; grant curestry_definer to ${role}`,
      `${role} is a member of curestry_definer`,
    ],
    [
      "membership in curestry_member by another role",
      `create role ${role} login; create role ${role}_2 role ${role}; grant curestry_member to ${role}_2`,
      `${role}_2 is a member of curestry_member`,
    ],
    [
      "membership in the administrator",
      `create role ${role} login; do $$ begin execute format('grant %I to ${role}', session_user); end $$`,
      `${role} is a member of postgres`,
    ],
    [
      "an analyst who may become others",
      `create role ${role} login in role curestry_analyst; grant pg_write_all_data to ${role}`,
      `${role} is a member of pg_write_all_data`,
    ],
    [
      "an analyst who may make roles",
      `create role ${role} login createrole in role curestry_analyst`,
      `${role} has createrole`,
    ],
    ["a superuser", `create role ${role} login superuser`, `${role} is a superuser`],
    ["bypassrls", `create role ${role} login bypassrls`, `${role} has bypassrls`],
    [
      "rights of curestry_worker",
      "grant pg_read_all_data to curestry_worker",
      "curestry_worker is a member of pg_read_all_data",
    ],
    [
      "a setting of a role",
      "alter role curestry_gateway set search_path = 'elsewhere'",
      "curestry_gateway has search_path=elsewhere",
    ],
    [
      "a setting of the database",
      `do $$ begin execute format('alter database %I set session_replication_role = replica', current_database()); end $$`,
      "every role in this database has session_replication_role=replica",
    ],
    [
      "the database opened to everybody",
      `do $$ begin execute format('grant connect on database %I to public', current_database()); end $$`,
      `everybody may connect to the database ${database}`,
    ],
    [
      "a new policy",
      "create policy extra on core.prompts for select to curestry_member using (true)",
      `policy extra on core.prompts ${foreign}`,
    ],
    [
      "a policy that lets all through",
      "alter policy select_own on core.auth_accounts using (true)",
      `policy select_own on core.auth_accounts ${made}`,
    ],
    [
      "a policy for others",
      "alter policy select_own on core.auth_accounts to public",
      `policy select_own on core.auth_accounts ${made}`,
    ],
    [
      "a policy dropped",
      "drop policy select_own on core.auth_accounts",
      "policy select_own on core.auth_accounts is missing",
    ],
    [
      "row level security off",
      "alter table core.prompts disable row level security",
      `table core.prompts ${made}`,
    ],
    [
      "row level security not forced",
      "alter table core.prompts no force row level security",
      `table core.prompts ${made}`,
    ],
    [
      "key_hash granted",
      "grant select (key_hash) on ops.api_key to curestry_member",
      `column ops.api_key.key_hash ${made}`,
    ],
    [
      "a table granted",
      "grant delete on core.prompts to curestry_analyst",
      `table core.prompts ${made}`,
    ],
    ["a schema granted", "grant create on schema app to curestry_worker", `schema app ${made}`],
    [
      "a sequence granted",
      "grant update on sequence ops.audit_log_seq to curestry_member",
      `sequence ops.audit_log_seq ${made}`,
    ],
    [
      "a function granted",
      "grant execute on function app.api_key_create to curestry_member",
      "function app.api_key_create(",
    ],
    [
      "default privileges",
      "alter default privileges for role curestry_owner in schema core grant select on tables to curestry_gateway",
      "default privileges of curestry_owner in core for tables",
    ],
    [
      "an owner",
      "alter table core.prompts owner to curestry_definer",
      `table core.prompts ${made}`,
    ],
    ...["begin_request", "audit_verify_chain", "audit_accepted_detachments"].map((
      name,
    ): [string, string, string] => [
      `${name} replaced`,
      `update pg_proc set prosrc = prosrc || ' -- ' where oid = 'app.${name}'::regproc`,
      `function app.${name}(`,
    ]),
    [
      "role_permissions replaced",
      `do $$ begin execute replace(pg_get_functiondef('app.role_permissions'::regproc), 'prompts:read', 'prompts:write'); end $$`,
      "function app.role_permissions(",
    ],
    [
      "a function that acts with the rights of who calls it",
      "alter function app.begin_request security invoker",
      "function app.begin_request(",
    ],
    [
      "a function with another search path",
      "alter function app.begin_request set search_path = public",
      "function app.begin_request(",
    ],
    [
      "a new function",
      "create function app.extra() returns int language sql as 'select 1'",
      `function app.extra() ${foreign}`,
    ],
    [
      "a function of the system",
      "set local allow_system_table_mods = on; create function pg_catalog.extra() returns int language sql as 'select 1'",
      `function pg_catalog.extra() ${foreign}`,
    ],
    [
      "append-only switched off",
      "alter table ops.audit_log disable trigger _200_append_only",
      `trigger _200_append_only on ops.audit_log ${made}`,
    ],
    [
      "append-only switched off for seals",
      "alter table app.audit_seal disable trigger user",
      `trigger _200_append_only on app.audit_seal ${made}`,
    ],
    [
      "append-only dropped",
      "drop trigger _200_append_only on app.audit_seal",
      "trigger _200_append_only on app.audit_seal is missing",
    ],
    [
      "append-only dropped on one partition",
      `drop trigger _200_append_only on app.audit_log_${month}`,
      `table app.audit_log_${month} ${made}`,
    ],
    [
      "one partition granted",
      `grant select on app.audit_log_${month} to curestry_analyst`,
      `table app.audit_log_${month} ${made}`,
    ],
    [
      "foreign keys switched off",
      "alter table core.prompt_versions disable trigger all",
      'trigger "(internal)" on core.prompt_versions',
    ],
    [
      "a foreign trigger",
      "create trigger extra before insert on core.prompts for each row execute function suppress_redundant_updates_trigger()",
      `trigger extra on core.prompts ${foreign}`,
    ],
    [
      "a rule",
      "create rule extra as on delete to core.prompts do instead nothing",
      `rule extra on core.prompts ${foreign}`,
    ],
    [
      "an event trigger",
      `create function public.extra() returns event_trigger language plpgsql as 'begin end';
     create event trigger extra on ddl_command_end execute function public.extra()`,
      `event trigger extra ${foreign}`,
    ],
    [
      "a constraint dropped",
      "alter table ops.api_key drop constraint chk_api_key_key_hash",
      "constraint chk_api_key_key_hash on ops.api_key is missing",
    ],
    [
      "a view that acts with its owner's rights",
      "alter view report.prompts set (security_invoker = false)",
      `view report.prompts ${made}`,
    ],
    ["a new table", "create table app.extra (id int)", `table app.extra ${foreign}`],
  ];
}
