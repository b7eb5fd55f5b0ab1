import type { RecordOutcome } from "../helpers/graphql_analyses.ts";
import { eventually } from "../helpers/eventually.ts";
import type { Answer } from "./asking.ts";
import type { Client, Installation } from "./installation.ts";

/** The metric that every recorded analysis has. */
export const METRIC = "drill_value";

/** An analysis to be recorded. */
export interface Item {
  idempotencyKey: string;
  value: number;
  at: Date;
  /** A second metric, to be looked for. */
  probe?: string;
  content?: string;
}

/** Has analyses recorded, and notes in the ledger what was sent and what was acknowledged. */
export async function record(
  installation: Installation,
  url: string,
  { organization, key }: Client,
  items: readonly Item[],
): Promise<Answer<unknown>> {
  for (const { idempotencyKey, value } of items) {
    const sent = { organizationId: organization.id, value, acknowledged: false };
    if (!installation.ledger.analyses.has(idempotencyKey)) {
      installation.ledger.analyses.set(idempotencyKey, sent);
    }
  }
  const answer = await installation.ask<{ recordAnalyses: { result: RecordOutcome[] } }>(url, {
    key,
    query: `mutation ($items: [AnalysisItemInput!]!) {
      recordAnalyses(input: { items: $items }) { result { outcome message } } }`,
    variables: {
      items: items.map(({ idempotencyKey, value, at, probe, content }) => ({
        idempotencyKey,
        promptContent: content ?? "a b c",
        status: "succeeded",
        startedAt: at,
        finishedAt: at,
        metrics: [
          { key: METRIC, valueNum: value },
          ...(probe === undefined ? [] : [{ key: probe, valueNum: value }]),
        ],
      })),
    },
  });
  if (answer.data === null) return answer;
  const { result } = answer.data.recordAnalyses;
  for (const [n, { idempotencyKey }] of items.entries()) {
    const { outcome, message } = result[n] ?? { outcome: "no outcome", message: null };
    const sent = installation.ledger.analyses.get(idempotencyKey);
    const wasThere = sent?.acknowledged ?? false;
    if (outcome === "unchanged" || (outcome === "inserted" && !wasThere)) {
      if (sent) sent.acknowledged = true;
    } else installation.ledger.wrong.push(`${idempotencyKey} was answered ${outcome}: ${message}`);
  }
  return answer;
}

/** Has a prompt made, likewise; answers its id if it was acknowledged. */
export async function createPrompt(
  installation: Installation,
  url: string,
  { organization, key }: Client,
): Promise<Answer<{ createPrompt: { prompt: { id: string } } }>> {
  const name = `drill ${crypto.randomUUID()}`;
  const sent = { organizationId: organization.id, acknowledged: false };
  installation.ledger.prompts.set(name, sent);
  const answer = await installation.ask<{ createPrompt: { prompt: { id: string } } }>(url, {
    key,
    query: `mutation ($name: String!) {
      createPrompt(input: { prompt: { name: $name, content: "x" } }) { prompt { id } } }`,
    variables: { name },
  });
  if (answer.data !== null) sent.acknowledged = true;
  return answer;
}

/** Waits until every gateway records again; answers for how long. */
export async function untilWritten(installation: Installation): Promise<number> {
  const from = performance.now();
  await Promise.all(installation.gateways.map(({ url }) => {
    const [client] = installation.clients as [Client];
    const items = [{ idempotencyKey: crypto.randomUUID(), value: 1, at: new Date() }];
    return eventually(async () => {
      const { outcome } = await record(installation, url, client, items);
      if (outcome !== "200") throw new Error(`A gateway does not record: ${outcome}`);
    });
  }));
  return performance.now() - from;
}

/** How long it took from the acknowledgement until something was in a mart, and until it was sealed. */
export interface Followed {
  martMs: number;
  sealMs: number;
}

/** Writes something, and waits until it is in a mart and in a seal of the audit log. */
export async function untilFollowed(
  installation: Installation,
): Promise<Followed> {
  const { database, clients, gateways } = installation;
  const [client] = clients as [Client];
  const [{ url }] = gateways;
  const probe = `probe_${crypto.randomUUID()}`;
  const item = { idempotencyKey: crypto.randomUUID(), value: 1, at: new Date(), probe };
  await eventually(async () => {
    const { outcome } = await record(installation, url, client, [item]);
    if (outcome !== "200") throw new Error(`The gateway does not record: ${outcome}`);
  });
  const prompt = await eventually(async () => {
    const { data, outcome } = await createPrompt(installation, url, client);
    if (data === null) throw new Error(`The gateway makes no prompt: ${outcome}`);
    return data.createPrompt.prompt.id;
  });
  const from = performance.now();
  async function until(sql: string, value: string): Promise<number> {
    await eventually(async () => {
      const rows = await database.query(sql, [client.organization.id, value]);
      if (rows.length === 0) throw new Error(`What was written is not there: ${sql}`);
    });
    return performance.now() - from;
  }
  const [martMs, sealMs] = await Promise.all([
    until(
      "select from mart.metric_timeseries where organization_id = $1 and metric_key = $2 limit 1",
      probe,
    ),
    until(
      `select from ops.audit_log a, app.audit_sealer s
        where a.organization_id = $1 and a.entity_id = $2 and a.xid < s.through_xid`,
      prompt,
    ),
  ]);
  return { martMs, sealMs };
}
