import { readTokens, type Token } from "./tokens.ts";

/** One way to break the text of a rule. */
export interface Break {
  /** The broken text. */
  text: string;
  /** What was broken: `role = 'owner' → true`. */
  what: string;
  /** What was broken, as it was. */
  broken: string;
  /** What is before it in the text: the tables that it compares. */
  before: string;
  /** What follows: a refusal says what it is about. */
  after: string;
}

interface Edit {
  start: number;
  end: number;
  by: string;
  /** Instead of the replaced text, in the description. */
  what?: string;
}

/** Words that begin a condition, if they are not part of another phrase. */
const CONDITION = new Set(["where", "having", "on", "if", "elsif", "while", "when"]);

/** Words that end an expression and begin something else. */
const BOUNDARY = new Set(
  ("then loop group order limit offset for returning union except intersect having window on join left right inner " +
    "cross full natural where set when else elsif end as fetch do into from select return perform begin declare " +
    "values using if while exit continue raise execute insert update delete with").split(" "),
);

const BOUNDARY_MARKS = new Set([",", ";", ":=", "=>", "(", "["]);

const TURNED = new Map([["<", "<="], ["<=", "<"], [">", ">="], [">=", ">"]]);

/** In characters: two lines. */
const AROUND = 250;

/**
 * Breaks the conditions of SQL or PL/pgSQL, one at a time: each `where`, `on`, `if`, `when` and part of an `and` or `or`
 * becomes true and false where that differs, comparisons are turned at their bounds, checks that are called for their
 * refusal are left out, and permissions are not asked for. SQL in texts, which is executed, is broken likewise.
 */
export function breakConditions(sql: string): Break[] {
  return findEdits(sql, 0).filter(({ start, end, by }) => sql.slice(start, end) !== by).map((
    { start, end, by, what },
  ) => ({
    text: sql.slice(0, start) + by + sql.slice(end),
    what: `${what ?? shorten(sql.slice(start, end))} → ${by}`,
    broken: sql.slice(start, end),
    before: sql.slice(Math.max(0, start - AROUND), start),
    after: sql.slice(end, end + AROUND),
  }));
}

function shorten(sql: string): string {
  const text = sql.replace(/--[^\n]*/g, "").replace(/\s+/g, " ").trim();
  return text.length > 150 ? `${text.slice(0, 149)}…` : text;
}

function findEdits(sql: string, offset: number): Edit[] {
  const tokens = readTokens(sql);
  const edits = tokens.flatMap((token, index) => [
    ...breakText(token),
    ...breakCondition(tokens, index),
    ...turnComparison(tokens, index, sql),
    ...leaveOutCheck(tokens, index),
    ...leaveOutPermission(tokens, index),
  ]);
  return edits.map((edit) => ({ ...edit, start: edit.start + offset, end: edit.end + offset }));
}

/** A text that holds SQL: the body of a function, or what `execute` gets. */
function breakText({ kind, text, start }: Token): Edit[] {
  if (kind !== "text") return [];
  const [quote = ""] = /^(\$\w*\$|e?')/i.exec(text) ?? [];
  if (!quote.startsWith("$") && !(/\bwhere\b/.test(text) && /[=<>%$]/.test(text))) return [];
  return findEdits(
    text.slice(quote.length, quote.startsWith("$") ? -quote.length : -1),
    start + quote.length,
  );
}

/** The expression that begins after a token, if it is a condition. */
function breakCondition(tokens: Token[], at: number): Edit[] {
  const opening = tokens[at];
  if (opening === undefined || !isBoundary(tokens, at)) return [];
  const parts = readExpression(tokens, at + 1);
  const [first] = parts;
  const last = parts.at(-1)?.at(-1);
  if (first === undefined || last === undefined) return [];
  const isCondition = CONDITION.has(opening.text) && opensCondition(tokens, at, last.next);
  const isAlone = parts.length === 1 && first.length === 1;
  if (isAlone && !isCondition) return [];
  const edits: Edit[] = [];
  if (isCondition) {
    const whole = {
      start: tokens[first[0]?.from ?? 0]?.start ?? 0,
      end: tokens[last.next - 1]?.end ?? 0,
    };
    // Where a part makes the difference that the whole would, the part is broken
    if (isAlone || parts.length > 1) edits.push({ ...whole, by: "true" });
    if (isAlone || parts.length === 1) edits.push({ ...whole, by: "false" });
  }
  if (isAlone) return edits;
  for (const conjuncts of parts) {
    const [one] = conjuncts;
    const end = conjuncts.at(-1);
    if (parts.length > 1 && one !== undefined && end !== undefined) {
      edits.push({
        start: tokens[one.from]?.start ?? 0,
        end: tokens[end.next - 1]?.end ?? 0,
        by: "false",
      });
    }
    if (conjuncts.length === 1) continue;
    for (const { from, next } of conjuncts) {
      edits.push({ start: tokens[from]?.start ?? 0, end: tokens[next - 1]?.end ?? 0, by: "true" });
    }
  }
  return edits;
}

/** A part of an `and`: its first token, and the one after its last. */
interface Part {
  from: number;
  next: number;
}

/** Parts of an expression: those of `or`, each in parts of `and`. Empty if there is none. */
function readExpression(tokens: Token[], from: number): Part[][] {
  const depth = tokens[from]?.depth;
  const parts: Part[][] = [[]];
  let start = from;
  let cases = 0;
  let between = false;
  let at = from;
  function endPart(): void {
    if (at > start) parts.at(-1)?.push({ from: start, next: at });
    start = at + 1;
  }
  for (; at < tokens.length; at++) {
    const token = tokens[at];
    if (token === undefined || depth === undefined || token.depth < depth) break;
    if (token.depth > depth) continue;
    if (token.text === ")" || token.text === "]") {
      // Both ends of a pair have the depth outside of it: this one ends ours if it did not begin in it
      if (!opensWithin(tokens, from, at)) break;
      continue;
    }
    if (token.kind === "word" && token.text === "case") cases++;
    else if (cases > 0) {
      if (token.text === "end") cases--;
    } else if (token.text === "between") between = true;
    else if (token.text === "and" && between) between = false;
    else if (token.text === "and") endPart();
    else if (token.text === "or") {
      endPart();
      parts.push([]);
    } else if (token.text !== "(" && token.text !== "[" && isBoundary(tokens, at)) break;
  }
  endPart();
  return parts.some((conjuncts) => conjuncts.length === 0) ? [] : parts;
}

function opensWithin(tokens: Token[], from: number, closing: number): boolean {
  const depth = tokens[closing]?.depth;
  for (let at = closing - 1; at >= from; at--) {
    const token = tokens[at];
    if (token?.depth === depth && (token?.text === "(" || token?.text === "[")) return true;
  }
  return false;
}

function isBoundary(tokens: Token[], at: number): boolean {
  const token = tokens[at];
  if (token?.kind === "mark") return BOUNDARY_MARKS.has(token.text);
  if (token?.kind !== "word" || !BOUNDARY.has(token.text) || tokens[at - 1]?.text === ".") {
    return false;
  }
  if (token.text === "from") return tokens[at - 1]?.text !== "distinct";
  if (token.text === "left" || token.text === "right") return tokens[at + 1]?.text !== "(";
  return true;
}

/** Whether a word begins a condition here, which ends before another token. */
function opensCondition(tokens: Token[], at: number, next: number): boolean {
  const word = tokens[at]?.text;
  const before = tokens[at - 1]?.text ?? "";
  const after = tokens[at + 1]?.text ?? "";
  const end = tokens[next]?.text;
  if (word === "if") return before !== "end" && end === "then";
  if (word === "elsif") return end === "then";
  if (word === "while") return end === "loop";
  if (word === "on") return !["conflict", "delete", "update", "constraint"].includes(after);
  if (word === "when") return ["exit", "continue"].includes(before) || isSearchedCase(tokens, at);
  return true;
}

/** Whether a `when` belongs to `case when …`: not to `case x when …`, nor to an exception. */
function isSearchedCase(tokens: Token[], at: number): boolean {
  let ended = 0;
  for (let before = at - 1; before >= 0; before--) {
    const { depth, text } = tokens[before] ?? {};
    if (depth !== tokens[at]?.depth) continue;
    if (text === ";") return false;
    if (text === "end") ended++;
    else if (text === "case" && ended-- === 0) return tokens[before + 1]?.text === "when";
  }
  return false;
}

function turnComparison(tokens: Token[], at: number, sql: string): Edit[] {
  const token = tokens[at];
  const turned = token?.kind === "operator" ? TURNED.get(token.text) : undefined;
  if (token === undefined || turned === undefined) return [];
  // Nobody notices a microsecond
  if (tokens.slice(at - 3, at + 2).some(({ text }) => text === "now")) return [];
  const around = sql.slice(
    tokens[Math.max(0, at - 5)]?.start ?? 0,
    tokens[Math.min(tokens.length - 1, at + 5)]?.end,
  );
  return [{
    start: token.start,
    end: token.end,
    by: turned,
    what: `${token.text} in ${shorten(around)}`,
  }];
}

/** `perform app.legal_hold_refuse(…);`, but no `perform app.refuse(…)`: its `if` is broken already. */
function leaveOutCheck(tokens: Token[], at: number): Edit[] {
  const token = tokens[at];
  if (token?.text !== "perform" || token.kind !== "word" || tokens[at + 3]?.text === "refuse") {
    return [];
  }
  const end = tokens.slice(at).find(({ text, depth }) => text === ";" && depth === token.depth);
  return end === undefined ? [] : [{ start: token.start, end: end.start, by: "null" }];
}

/** `app.require('…')` and `app.organization_if('…')`: the request's organization without asking. */
function leaveOutPermission(tokens: Token[], at: number): Edit[] {
  const [schema, dot, name, open, permission, close] = tokens.slice(at, at + 6);
  if (
    schema?.text !== "app" || dot?.text !== "." || open?.text !== "(" || permission?.kind !== "text"
  ) return [];
  if (name?.text !== "require" && name?.text !== "organization_if" || close?.text !== ")") {
    return [];
  }
  return [{ start: schema.start, end: close.end, by: "app.organization_id()" }];
}
