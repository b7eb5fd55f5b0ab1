import type { Logger } from "pino";
import type { ExecutionResult } from "postgraphile/graphql";
import { pause } from "../../shared/pause.ts";
import { errorCodeOf } from "../../shared/error_codes.ts";
import type { Budgets, Payer } from "../budgets.ts";
import { type Adaptor, type Caller, hasPermission } from "../database/adaptor.ts";
import { type Gate, makeGate } from "../gate.ts";
import { GatewayError, noPermission } from "../gateway_error.ts";
import type { ClientError, ErrorMapper } from "../graphql/errors.ts";
import type { PreparedSubscription } from "../graphql/prepare_subscription.ts";
import { nextTurn } from "../turns.ts";
import { type Change, changesOfAPage, type ChangeSource } from "./change_source.ts";
import { type Cursors, goneCursor, makeCursors, type Position } from "./cursor.ts";
import { type Batch, makeFeed } from "./feed.ts";
import type { LiveEvent } from "./live_event.ts";

/** Where a subscription's events go. */
export interface Sink {
  /** Sends what is told of an event, as JSON. */
  next(payload: string): void;
  /** Whether the client has taken most of what was sent. */
  isReady(): boolean;
  /** Ends the subscription. */
  fail(error: ClientError): void;
  /** Ends the subscription of a client that does not read, with its connection. */
  giveUp(error: ClientError): void;
}

/** Who subscribes to what. */
export interface SubscriptionRequest {
  caller: Caller;
  organization: string;
  prepared: PreparedSubscription;
  payer: Payer | null;
  sink: Sink;
}

/** Figures of the subscriptions of a gateway. */
export interface LiveFigures {
  readonly subscriptions: number;
  readonly lagSeconds: number;
  /** Events that were sent, and subscriptions that were ended by us, since the start. */
  readonly sent: number;
  readonly ended: number;
}

/** All subscriptions of a gateway. */
export interface Hub extends LiveFigures {
  /**
   * Begins to tell of changes.
   *
   * @returns what ends it, without a word to the client
   * @throws GatewayError if there are too many already
   */
  subscribe(request: SubscriptionRequest): () => void;
  /** Ends all of them, and takes no more. */
  stop(): void;
}

/** How many there may be, and how far they may fall behind. */
export interface HubLimits {
  subscriptions: number;
  /** Events that wait to be told. */
  waitingEvents: number;
  /** Of those that wait for a client to read. */
  unreadCharacters: number;
  /** How long a client may read nothing, in milliseconds. */
  unreadMs: number;
  /** How long a silent subscription waits for a fresh cursor, in milliseconds. */
  freshCursorMs: number;
}

/** An event that is to be told to a group. */
interface Item {
  event: Omit<LiveEvent, "cursor">;
  position: Position;
  turn: number;
}

/** Subscriptions of one caller that are told the same: each event is read once for all of them. */
interface Group {
  key: string;
  request: SubscriptionRequest;
  members: Set<Member>;
  queue: Item[];
  isTelling: boolean;
  /** When it was told of something. */
  toldAt: number;
}

interface Member {
  /** Null until it has entered. */
  group: Group | null;
  request: SubscriptionRequest;
  /** Only what comes after this look of the feed is told. */
  turn: number;
  /** What waits until the changes that the cursor has missed are told; null: nothing waits for that. */
  held: string[] | null;
  /** What waits for the client to read. Others may wait for the same texts: they are there once. */
  unread: string[];
  unreadCharacters: number;
  isEnded: boolean;
}

const ready: Item["event"] = {
  kind: "READY",
  id: null,
  rowId: null,
  source: null,
  marts: null,
  from: null,
  to: null,
};
const readersOfMissed = 2;
/** Events that are read in one transaction. */
const eventsOfATransaction = 50;
/** Sends after which others have their turn. */
const sendsOfATurn = 50;
/** How often it is looked whether a client has read. */
const readIntervalMs = 20;
/** How often credentials are verified though nothing changes. */
const rightsIntervalMs = 1_000;
const credentialsOfAQuestion = 200;
/** How long the database may be away before subscriptions end. */
const longestOutageMs = 60_000;
const [firstPauseMs, longestPauseMs] = [100, 2_000];

/** Makes the hub of a gateway. */
export function makeHub(
  source: ChangeSource,
  parts: {
    adaptor: Adaptor;
    errors: ErrorMapper;
    budgets: Budgets | null;
    gate: Gate;
    log: Logger;
  },
  limits: HubLimits,
): Hub {
  const { adaptor, errors, budgets, gate, log } = parts;
  const groups = new Map<string, Group>();
  /** Groups by organization. */
  const listening = new Map<string, Set<Group>>();
  const members = new Set<Member>();
  /** Those who were away, of one organization after the other: the look for changes does not wait for them. */
  const missed = makeGate(1, readersOfMissed);
  const stopped = new AbortController();
  const figures = { sent: 0, ended: 0 };
  let cursors: Promise<Cursors> | undefined;

  const feed = makeFeed(source, {
    organizations: () => [...listening.keys()],
    onChanges,
    onOtherHistory: () => endAll(goneCursor()),
  }, log);
  const rightsTimer = setInterval(() => void checkRights(), rightsIntervalMs);
  rightsTimer.unref();
  let isCheckingRights = false;

  function readCursors(): Promise<Cursors> {
    if (cursors === undefined) {
      cursors = source.readCursorKey().then((key) => makeCursors(key));
      cursors.catch(() => cursors = undefined);
    }
    return cursors;
  }

  function onChanges({ turn, since, until, changes, isLast }: Batch): void {
    const whole: Position = { epoch: until.epoch, until: until.snapshot, part: null };
    for (const [n, change] of changes.entries()) {
      const concerned = listening.get(change.organization_id);
      if (concerned === undefined) continue;
      const position = isLast && n === changes.length - 1
        ? whole
        : { ...whole, part: { since: since.snapshot, seq: change.seq } };
      for (const group of concerned) {
        if (matches(group.request.prepared, change)) {
          enqueue(group, { event: eventOf(change), position, turn });
        }
      }
    }
  }

  function enqueue(group: Group, item: Item): void {
    group.queue.push(item);
    if (group.queue.length > limits.waitingEvents) {
      endGroup(group, tooManyChanges());
      return;
    }
    if (!group.isTelling) void tell(group);
  }

  /** Tells a group of what waits, until nothing does. */
  async function tell(group: Group): Promise<void> {
    group.isTelling = true;
    try {
      while (group.queue.length > 0 && group.members.size > 0) {
        const batch = group.queue.slice(0, eventsOfATransaction);
        const payloads = await read(group.request, batch, () => group.members.size === 0);
        group.queue.splice(0, payloads.length);
        group.toldAt = performance.now();
        let sends = 0;
        for (const [n, payload] of payloads.entries()) {
          for (const member of group.members) {
            if (batch[n]!.turn > member.turn) send(member, payload);
            if (++sends % sendsOfATurn === 0) await nextTurn();
          }
        }
      }
    } catch (error) {
      await failGroup(group, error);
    } finally {
      group.isTelling = false;
    }
  }

  function send(member: Member, payload: string): void {
    if (member.isEnded) return;
    if (member.held !== null) {
      member.held.push(payload);
      if (member.held.length > limits.waitingEvents) void failMember(member, tooManyChanges());
    } else if (member.unread.length === 0 && member.request.sink.isReady()) {
      figures.sent++;
      member.request.sink.next(payload);
    } else {
      member.unread.push(payload);
      member.unreadCharacters += payload.length;
      if (member.unread.length === 1) void sendWhenRead(member);
      const tooMuch = member.unreadCharacters > limits.unreadCharacters ||
        member.unread.length > limits.waitingEvents;
      if (tooMuch) void giveUp(member);
    }
  }

  /** Sends what waits for a client, as it reads. */
  async function sendWhenRead(member: Member): Promise<void> {
    while (member.unread.length > 0 && await untilReady(member)) {
      const payload = member.unread.shift()!;
      member.unreadCharacters -= payload.length;
      figures.sent++;
      member.request.sink.next(payload);
    }
  }

  /** @returns whether there is somebody to send to */
  async function untilReady(member: Member): Promise<boolean> {
    const giveUpAt = performance.now() + limits.unreadMs;
    while (!member.isEnded && !member.request.sink.isReady()) {
      if (performance.now() > giveUpAt) await giveUp(member);
      await pause(readIntervalMs, stopped.signal);
    }
    return !member.isEnded;
  }

  async function giveUp(member: Member): Promise<void> {
    if (member.isEnded) return;
    leave(member);
    figures.ended++;
    const { sink, caller } = member.request;
    sink.giveUp(await errors.toClientError(slowClient(), caller.requestId));
  }

  /**
   * Reads what is told of events, under the rights of their caller; waits for a database that is away.
   *
   * @returns of fewer than all, from the first one on, if all are too much for one request
   */
  async function read(
    request: SubscriptionRequest,
    items: readonly Item[],
    isUnwanted: () => boolean,
  ): Promise<string[]> {
    const { caller, prepared, payer } = request;
    const giveUpAt = performance.now() + longestOutageMs;
    const closing = await readCursors();
    const events = items.map(({ event, position }) => ({
      ...event,
      cursor: closing.close(position),
    }));
    await pay(payer, prepared.cost * events.length, isUnwanted);
    for (let pauseMs = firstPauseMs;; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      const mayWait = performance.now() < giveUpAt && !stopped.signal.aborted && !isUnwanted();
      try {
        const results = await gate.pass(request.organization, () => readOnce(request, events));
        const told = await Promise.all(results.map((result) => toClient(result, caller)));
        if (!mayWait || !told.some(isUnavailable)) return told.map((one) => JSON.stringify(one));
      } catch (error) {
        const { extensions: { code } } = await errors.toClientError(error, caller.requestId);
        if (!mayWait || code !== "UNAVAILABLE") throw error;
      }
      await pause(pauseMs, stopped.signal);
    }
  }

  async function readOnce(
    { caller, organization, prepared }: SubscriptionRequest,
    events: readonly LiveEvent[],
  ): Promise<ExecutionResult[]> {
    const database = adaptor.openRequest(caller, prepared.topic);
    try {
      const results = await prepared.run(database, events);
      const rights = await database.verify();
      if (rights.organization !== organization) throw otherOrganization();
      requirePermission(rights.permissions, prepared.permission);
      return results;
    } finally {
      database.finish();
    }
  }

  async function toClient({ data, errors: found = [] }: ExecutionResult, caller: Caller) {
    const mapped = await Promise.all(
      found.map((error) => errors.toClientError(error, caller.requestId)),
    );
    return {
      ...(mapped.length > 0 ? { errors: mapped } : {}),
      ...(data === undefined ? {} : { data }),
    };
  }

  /** Events cost as queries do; what cannot be paid yet waits. */
  async function pay(
    payer: Payer | null,
    cost: number,
    isUnwanted: () => boolean,
  ): Promise<void> {
    if (budgets === null || payer === null) return;
    while (!isUnwanted() && !stopped.signal.aborted) {
      const { retrySeconds } = await budgets.charge(payer, cost, false);
      if (retrySeconds === null) return;
      await pause(1_000 * retrySeconds, stopped.signal);
    }
  }

  /** Tells a new member of what its cursor has missed, and that it is up to date. */
  async function welcome(member: Member): Promise<void> {
    const { prepared } = member.request;
    const from = prepared.after === null ? null : (await readCursors()).open(prepared.after);
    // What was seen when the cursor was made is seen now, too; the next changes are held until this is told
    const seen = await feed.look((seen, turn) => {
      enter(member, turn);
      return seen;
    });
    if (from !== null) {
      if (from.epoch !== seen.epoch) throw goneCursor();
      const { part } = from;
      if (part !== null) await tellMissed(member, part.since, from.until, part.seq, seen.epoch);
      await tellMissed(member, from.until, seen.snapshot, "0", seen.epoch);
    }
    await tellMember(member, [{
      event: ready,
      position: { epoch: seen.epoch, until: seen.snapshot, part: null },
      turn: 0,
    }]);
    const held = member.held ?? [];
    member.held = null;
    for (const payload of held) send(member, payload);
  }

  async function tellMissed(
    member: Member,
    since: string,
    until: string,
    seq: string,
    epoch: string,
  ): Promise<void> {
    const { organization, prepared } = member.request;
    for (let afterSeq = seq; !member.isEnded;) {
      const changes = await readMissed({ since, until, afterSeq }, organization);
      await tellMember(
        member,
        changes.filter((change) => matches(prepared, change)).map((change) => ({
          event: eventOf(change),
          position: { epoch, until, part: { since, seq: change.seq } },
          turn: 0,
        })),
      );
      if (changes.length < changesOfAPage) return;
      afterSeq = changes.at(-1)!.seq;
    }
  }

  async function readMissed(
    span: Parameters<ChangeSource["readChanges"]>[0],
    organization: string,
  ): Promise<readonly Change[]> {
    const giveUpAt = performance.now() + longestOutageMs;
    for (;;) {
      try {
        return await missed.pass(organization, () => source.readChanges(span, [organization]));
      } catch (error) {
        const { extensions: { code } } = await errors.toClientError(error, "live");
        if (code !== "UNAVAILABLE" || performance.now() > giveUpAt) throw error;
        await pause(longestPauseMs, stopped.signal);
        if (stopped.signal.aborted) throw error;
      }
    }
  }

  async function tellMember(member: Member, items: Item[]): Promise<void> {
    for (let n = 0; n < items.length && !member.isEnded;) {
      if (!await untilReady(member)) return;
      const batch = items.slice(n, n + eventsOfATransaction);
      const payloads = await read(member.request, batch, () => member.isEnded);
      for (const payload of payloads) {
        if (!await untilReady(member)) return;
        figures.sent++;
        member.request.sink.next(payload);
      }
      n += payloads.length;
    }
  }

  /** Verifies every credential, and gives fresh cursors to those who have heard nothing for long. */
  async function checkRights(): Promise<void> {
    if (isCheckingRights || groups.size === 0) return;
    isCheckingRights = true;
    try {
      const byCredential = Map.groupBy(
        groups.values(),
        ({ request: { caller } }) =>
          JSON.stringify([caller.jwtId, caller.keyHash, caller.organization]),
      );
      const all = [...byCredential.values()];
      for (let n = 0; n < all.length; n += credentialsOfAQuestion) {
        const asked = all.slice(n, n + credentialsOfAQuestion);
        const rights = await source.readRights(asked.map(([group]) => group!.request.caller));
        for (const one of rights) {
          for (const group of asked[one.place] ?? []) endIfRefused(group, one);
        }
      }
      refreshCursors();
    } catch (error) {
      log.debug({ err: error }, "Credentials of subscriptions could not be verified now");
    } finally {
      isCheckingRights = false;
    }
  }

  function endIfRefused(
    group: Group,
    rights: Awaited<ReturnType<ChangeSource["readRights"]>>[number],
  ): void {
    const { request: { organization, prepared } } = group;
    if (rights.refused_code !== null) {
      const code = errorCodeOf(rights.refused_code) ?? "UNAUTHENTICATED";
      endGroup(group, new GatewayError(code, rights.refused_message ?? "Refused"));
    } else if (rights.organization_id !== organization) {
      endGroup(group, otherOrganization());
    } else if (!hasPermission(rights.permissions ?? "", prepared.permission)) {
      endGroup(group, noPermission(prepared.permission));
    }
  }

  function refreshCursors(): void {
    const isSilent = ({ toldAt, isTelling }: Group) =>
      !isTelling && performance.now() - toldAt > limits.freshCursorMs;
    const silent = [...groups.values()].filter(isSilent);
    if (silent.length === 0) return;
    void feed.look((seen, turn) => {
      const position = { epoch: seen.epoch, until: seen.snapshot, part: null };
      for (const group of silent) {
        // What it was told of up to now is before it in the queue
        if (groups.has(group.key)) enqueue(group, { event: ready, position, turn: turn + 0.5 });
      }
    }).catch(() => {});
  }

  function enter(member: Member, turn: number): void {
    if (member.isEnded) return;
    const { request: { organization } } = member;
    const group = groupOf(member.request);
    if (group.members.size === 0) {
      groups.set(group.key, group);
      const others = listening.get(organization);
      if (others) others.add(group);
      else listening.set(organization, new Set([group]));
    }
    group.members.add(member);
    Object.assign(member, { group, turn });
  }

  function leave(member: Member): void {
    if (member.isEnded) return;
    member.isEnded = true;
    member.unread = [];
    members.delete(member);
    const { group, request: { organization } } = member;
    group?.members.delete(member);
    if (group === null || group.members.size > 0) return;
    groups.delete(group.key);
    group.queue.length = 0;
    const others = listening.get(organization);
    others?.delete(group);
    if (others?.size === 0) listening.delete(organization);
  }

  async function failMember(member: Member, error: unknown): Promise<void> {
    if (member.isEnded) return;
    leave(member);
    figures.ended++;
    member.request.sink.fail(await errors.toClientError(error, member.request.caller.requestId));
  }

  async function failGroup(group: Group, error: unknown): Promise<void> {
    await Promise.all([...group.members].map((member) => failMember(member, error)));
  }

  function endGroup(group: Group, error: GatewayError): void {
    void failGroup(group, error);
  }

  function endAll(error: GatewayError): void {
    for (const member of [...members]) void failMember(member, error);
  }

  function groupOf(request: SubscriptionRequest): Group {
    const { caller: { jwtId, keyHash, organization }, prepared } = request;
    const key = JSON.stringify([
      jwtId,
      keyHash,
      organization,
      request.organization,
      prepared.shareKey,
    ]);
    return groups.get(key) ?? {
      key,
      request,
      members: new Set(),
      queue: [],
      isTelling: false,
      toldAt: performance.now(),
    };
  }

  return {
    subscribe(request) {
      if (stopped.signal.aborted) throw stopping();
      if (members.size >= limits.subscriptions) {
        throw new GatewayError(
          "LIMIT",
          `This gateway has ${limits.subscriptions} subscriptions already; try again later`,
        );
      }
      const member: Member = {
        group: null,
        request,
        turn: 0,
        held: [],
        unread: [],
        unreadCharacters: 0,
        isEnded: false,
      };
      members.add(member);
      welcome(member).catch((error) => failMember(member, error));
      return () => leave(member);
    },
    stop() {
      stopped.abort();
      clearInterval(rightsTimer);
      feed.stop();
      endAll(stopping());
    },
    get subscriptions() {
      return members.size;
    },
    get lagSeconds() {
      return feed.lagSeconds;
    },
    get sent() {
      return figures.sent;
    },
    get ended() {
      return figures.ended;
    },
  };
}

/** @throws GatewayError with code FORBIDDEN */
export function requirePermission(permissions: string, needed: string): void {
  if (!hasPermission(permissions, needed)) throw noPermission(needed);
}

function otherOrganization(): GatewayError {
  return new GatewayError("FORBIDDEN", "The organization of this request is another one now");
}

function tooManyChanges(): GatewayError {
  return new GatewayError(
    "LIMIT",
    "There are more changes than can be told: subscribe again with the last cursor, or to fewer of them",
  );
}

function slowClient(): GatewayError {
  return new GatewayError(
    "LIMIT",
    "The client reads more slowly than changes come: subscribe again with the last cursor, or to fewer of them",
  );
}

function stopping(): GatewayError {
  return new GatewayError("UNAVAILABLE", "The gateway stops: subscribe again with the last cursor");
}

function isUnavailable({ errors = [] }: { errors?: readonly ClientError[] }): boolean {
  return errors.some(({ extensions }) => extensions.code === "UNAVAILABLE");
}

function matches({ topic, filter }: PreparedSubscription, change: Change): boolean {
  if (change.topic !== topic) return false;
  if (topic === "martsUpdated") return true;
  // Of a row that was removed by its age, only the id is known: who asks for some is told, too
  const isKnown = (change.statuses?.length ?? 0) > 0 || topic === "promptChanged";
  if (!isKnown) return true;
  const { promptId, statuses } = filter;
  return (promptId === null || change.prompt_ids?.includes(promptId) === true) &&
    (statuses === null || change.statuses?.some((status) => statuses.includes(status)) === true);
}

function eventOf(change: Change): Item["event"] {
  return {
    kind: change.action,
    id: change.entity_id,
    rowId: change.action === "DELETED" ? null : change.entity_id,
    source: change.source,
    marts: change.marts,
    from: change.from_ts,
    to: change.to_ts,
  };
}
