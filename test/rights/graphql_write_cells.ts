import { GraphQLInputObjectType, type GraphQLSchema } from "postgraphile/graphql";
import { apiTypes, pick, type Probe } from "./graphql_cells.ts";
import { allows, holds, type Rights, type Verb, type Whose, whoseRows } from "./rights.ts";
import type { Row, Targets } from "./table_cells.ts";
import type { Principal, World } from "./world.ts";

/** Harmless changes, by table. */
const patches: Record<string, string> = {
  "core.prompts": `{ name: "changed" }`,
  "core.prompt_relations": `{ description: "changed" }`,
  "core.users": `{ name: "changed" }`,
  "core.workflow_nodes": `{ result: { changed: true } }`,
  "core.workflow_runs": `{ meta: { changed: true } }`,
  "ops.judge_criterion": `{ description: "changed" }`,
  "ops.judge_rubric": `{ description: "changed" }`,
  "ops.organization": `{ name: "changed" }`,
};

/** New rows, by table; variables are named after the table and column that their value is of. */
const creations: Record<string, { row: string; types: Record<string, string> }> = {
  "core.prompts": { row: `{ name: "new", content: "new" }`, types: {} },
  "core.prompt_relations": {
    row: `{ sourceId: $prompt, targetId: $target, relationType: "overrides" }`,
    types: { prompt: "String!", target: "String!" },
  },
  "core.workflow_runs": { row: `{ meta: {} }`, types: {} },
  "core.workflow_nodes": {
    row: `{ runId: $run, key: $unique }`,
    types: { run: "Int!", unique: "String!" },
  },
  "core.evaluation_metrics": {
    row: `{ runId: $run, metricName: $unique, metricValue: 1 }`,
    types: { run: "Int!", unique: "String!" },
  },
  "ops.judge_rubric": { row: `{ name: $unique }`, types: { unique: "String!" } },
  "ops.judge_criterion": {
    row: `{ rubricId: $rubric, key: $unique, title: "New" }`,
    types: { rubric: "UUID!", unique: "String!" },
  },
};

/** Probes that create, change and delete rows, by every key that a mutation can name them by. */
export function writeProbes(
  schema: GraphQLSchema,
  rights: Rights,
  spare: (table: string) => Row,
): Probe[] {
  const mutations = schema.getMutationType()?.getFields() ?? {};
  const probes: Probe[] = [];
  for (const { table, name: type } of apiTypes(schema, rights).values()) {
    const entry = rights.tables[table] ?? {};
    const property = type[0]?.toLowerCase() + type.slice(1);
    const may = (principal: Principal, verb: Verb, whose: Whose) =>
      allows(entry, principal, verb, whose) && allows(entry, principal, "select", whose);
    const found = (answer: unknown) => answer !== null;

    const creation = creations[table];
    if ((entry.member?.insert === undefined) !== (creation === undefined)) {
      throw new Error(`graphql_write_cells.ts does not know how to create ${type}`);
    }
    // A row always belongs to the request's organization; what it points at may be another's
    const pointsSomewhere = ["run", "prompt", "rubric"].some((name) =>
      name in (creation?.types ?? {})
    );
    for (const whose of pointsSomewhere ? ["own", "other"] as const : ["own"] as const) {
      if (creation === undefined) continue;
      probes.push({
        cell: `create${type} (${whose})`,
        field: `create${type}(input: { ${property}: ${creation.row} }) { ${property} { nodeId } }`,
        types: creation.types,
        values: (targets, principal) => {
          // In an organization of their own they may
          if (!principal.inOurs && !pointsSomewhere) return null;
          const id = (table: string) => targets.get(table)?.[whose]?.row.id;
          const target = targets.get("core.prompt_relations")?.[whose]?.row.target_id;
          const all: Record<string, unknown> = {
            prompt: whose === "own" && may(principal, "insert", "own") && "prompt" in creation.types
              ? spare("core.prompts").id
              : id("core.prompts"),
            target,
            run: id("core.workflow_runs"),
            rubric: id("ops.judge_rubric"),
            unique: `${whose} ${principal.name}`,
          };
          return Object.fromEntries(
            Object.keys(creation.types).map((name) => [name, all[name]]),
          );
        },
        expects: (principal) =>
          whose === "own" && principal.inOurs && may(principal, "insert", "own"),
        found,
      });
    }

    for (const verb of ["update", "delete"] as const) {
      for (const { name, args } of Object.values(mutations)) {
        const key = new RegExp(`^${verb}${type}(By\\w+)?$`).test(name) &&
          inputKey(schema, args[0]?.type);
        if (!key) continue;
        const columns = Object.keys(key);
        const inputs = columns.map((column) => `${column}: $${column}`);
        if (verb === "update") inputs.push(`patch: ${patches[table]}`);
        for (const whose of whoseRows(entry)) {
          const isSpare = (principal: Principal) =>
            verb === "delete" && whose === "own" && may(principal, verb, whose);
          probes.push({
            cell: `${name} (${whose})`,
            field: `${name}(input: { ${inputs.join(", ")} }) { ${property} { nodeId } }`,
            types: key,
            values: (targets, principal) => {
              if (!isSpare(principal)) return pick(targets, table, whose, columns, type);
              // Deleted with everything in it: tried with SQL, where it can be undone
              if (table === "ops.organization") return null;
              const only: Targets = new Map([[table, { own: { row: spare(table), count: 1 } }]]);
              return pick(only, table, "own", columns, type);
            },
            expects: (principal) => may(principal, verb, whose),
            found,
          });
        }
      }
    }
  }
  return probes;
}

/** The fields of a mutation's input that name a row. */
function inputKey(schema: GraphQLSchema, type: unknown): Record<string, string> | undefined {
  const input = schema.getType(String(type).replace("!", ""));
  if (!(input instanceof GraphQLInputObjectType)) return undefined;
  return Object.fromEntries(
    Object.values(input.getFields()).filter(({ name }) =>
      name !== "clientMutationId" && name !== "patch"
    ).map(({ name, type }) => [name, String(type)]),
  );
}

/** Things that function mutations use up, made by the administrator. */
export interface Supplies {
  run(): string;
  member(): number;
  key(): string;
  hold(): string;
}

/** Probes that call the functions of the API which are mutations; those that end a session last. */
export function functionProbes(
  rights: Rights,
  world: World,
  things: { ours: Things; theirs: Things },
  supplies: Supplies,
): Probe[] {
  const probes: Probe[] = [];
  const held = (principal: Principal) => principal.permissions.has("prompts:read");
  function add(
    signature: string,
    field: string,
    types: Record<string, string>,
    values: (
      thing: Things,
      principal: Principal,
      isOwn: boolean,
      may: boolean,
    ) => Record<string, unknown>,
    options: {
      caller?: boolean;
      also?: (principal: Principal) => boolean;
      found?: (answer: unknown) => boolean;
    } = {},
  ) {
    const permission = rights.functions[signature]?.permission ?? "none";
    for (const whose of options.caller ? ["own"] as const : ["own", "other"] as const) {
      const may = (principal: Principal) =>
        whose === "own" && holds(principal, permission, whose) &&
        (options.also?.(principal) ?? true);
      probes.push({
        cell: `${field.split("(")[0]} (${whose})`,
        field,
        types,
        values: (_targets, principal) =>
          // In an organization of their own they may do all this
          !principal.inOurs && options.caller && !permission.startsWith("self") &&
            permission !== "operator"
            ? null
            : values(
              whose === "own" ? things.ours : things.theirs,
              principal,
              whose === "own",
              may(principal),
            ),
        expects: may,
        found: options.found ?? ((answer) => answer !== null),
      });
    }
  }

  // First: later they are the last owners of what they made
  add(
    "ops.erase_account(text,boolean)",
    "eraseAccount(input: { email: $email, dryRun: true }) { result { kind } }",
    { email: "String!" },
    (_thing, { name }, isOwn) => ({
      email: isOwn ? `${name}@${world.ours.slug}.example` : world.theirs.ownerEmail,
    }),
  );
  const run = ["finish", "fail", "cancel"];
  for (const verb of run) {
    const signature = Object.keys(rights.functions).find((name) =>
      name.startsWith(`ops.${verb}_analysis_run(`)
    ) ?? "";
    add(signature, `${verb}AnalysisRun(input: { id: $id }) { result { id } }`, { id: "UUID!" }, (
      thing,
      _principal,
      _isOwn,
      may,
    ) => ({ id: may ? supplies.run() : thing.run }));
  }
  add(
    "ops.start_analysis_run(uuid,text,text,jsonb,text)",
    "startAnalysisRun(input: { promptId: $prompt }) { result { id } }",
    { prompt: "String!" },
    ({ prompt }) => ({ prompt }),
  );
  add(
    "ops.record_analyses(ops.analysis_item[])",
    "recordAnalyses(input: { items: [{ promptId: $prompt }] }) { result { outcome } }",
    { prompt: "String!" },
    ({ prompt }) => ({ prompt }),
    {
      found: (answer) =>
        (answer as { result: { outcome: string }[] } | null)?.result[0]?.outcome === "inserted",
    },
  );
  add(
    "ops.record_feature_events(ops.feature_event_item[])",
    `recordFeatureEvents(input: { events: [{ featureKey: "f" }] }) { result }`,
    {},
    () => ({}),
    { caller: true },
  );
  add(
    "ops.change_member_role(integer,text)",
    `changeMemberRole(input: { userId: $user, role: "viewer" }) { result { role } }`,
    { user: "Int!" },
    ({ member }) => ({ user: member }),
  );
  add(
    "ops.remove_member(integer)",
    "removeMember(input: { userId: $user }) { result { status } }",
    { user: "Int!" },
    ({ member }, _principal, _isOwn, may) => ({ user: may ? supplies.member() : member }),
  );
  add(
    "ops.invite_member(text,text)",
    `inviteMember(input: { email: $email, role: "viewer" }) { result { userId } }`,
    { email: "String!" },
    (_thing, { name }) => ({ email: `by-${name.replace(/\W/g, "-")}@x.example` }),
    { caller: true },
  );
  add(
    "ops.create_api_key(text,text[],timestamp with time zone)",
    `createApiKey(input: { name: "new", scopes: ["prompts:read"] }) { result { id } }`,
    {},
    () => ({}),
    { caller: true, also: held },
  );
  add(
    "ops.revoke_api_key(uuid)",
    "revokeApiKey(input: { id: $id }) { result { id } }",
    { id: "UUID!" },
    ({ key }, _principal, _isOwn, may) => ({ id: may ? supplies.key() : key }),
  );
  add(
    "ops.rotate_api_key(uuid,integer)",
    "rotateApiKey(input: { id: $id }) { result { id } }",
    { id: "UUID!" },
    ({ key }, _principal, _isOwn, may) => ({ id: may ? supplies.key() : key }),
    { also: held },
  );
  add(
    "ops.revise_judge_rubric(uuid)",
    "reviseJudgeRubric(input: { id: $id }) { result { id } }",
    { id: "UUID!" },
    ({ rubric }) => ({ id: rubric }),
  );
  add(
    "ops.create_organization(text,text)",
    `createOrganization(input: { slug: $slug, name: "New" }) { result { id } }`,
    { slug: "String!" },
    (_thing, { name }) => ({ slug: `by-${name.replace(/\W/g, "-")}` }),
    { caller: true },
  );
  add(
    "ops.accept_invitation(text)",
    "acceptInvitation(input: { code: $code }) { result { status } }",
    { code: "String!" },
    (_thing, { userId }, isOwn) => ({ code: `code ${isOwn ? userId : world.colleague}` }),
  );
  add(
    "ops.leave_organization()",
    "leaveOrganization(input: {}) { result { status } }",
    {},
    () => ({}),
    { caller: true },
  );
  add(
    "ops.erase_organization(text,boolean)",
    "eraseOrganization(input: { slug: $slug, dryRun: true }) { result { kind } }",
    { slug: "String!" },
    (_thing, _principal, isOwn) => ({ slug: isOwn ? world.ours.slug : world.theirs.slug }),
  );
  add(
    "ops.place_legal_hold(text)",
    `placeLegalHold(input: { reason: "x" }) { result { id } }`,
    {},
    () => ({}),
    { caller: true },
  );
  add(
    "ops.release_legal_hold(uuid)",
    "releaseLegalHold(input: { id: $id }) { result { id } }",
    { id: "UUID!" },
    ({ hold }, _principal, _isOwn, may) => ({ id: may ? supplies.hold() : hold }),
  );
  for (const name of ["signOut", "signOutEverywhere"]) {
    const signature = name === "signOut" ? "core.sign_out()" : "core.sign_out_everywhere()";
    add(signature, `${name}(input: {}) { result }`, {}, () => ({}), { caller: true });
  }
  for (const verb of ["retry", "cancel"]) {
    add(
      `ops.${verb}_job(bigint)`,
      `${verb}Job(input: { id: $id }) { result }`,
      { id: "BigInt!" },
      ({ job }) => ({ id: job }),
      { caller: true },
    );
  }
  return probes;
}

/** What function mutations are called with. */
export interface Things {
  prompt: string;
  run: string;
  member: number;
  key: string;
  rubric: string;
  job: string;
  hold: string;
}
