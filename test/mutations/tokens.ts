/** A piece of SQL or PL/pgSQL that is neither white space nor comment. */
export interface Token {
  kind: "word" | "name" | "text" | "number" | "operator" | "mark";
  /** As it stands there; words in lower case. */
  text: string;
  start: number;
  end: number;
  /** How many parentheses and brackets are open; both ends of a pair count as outside. */
  depth: number;
}

const patterns: [Token["kind"] | null, RegExp][] = [
  [null, /\s+|--[^\n]*|\/\*[^]*?\*\//y],
  ["text", /(?:\be)?'(?:[^']|'')*'|\$(\w*)\$[^]*?\$\1\$/iy],
  ["name", /"(?:[^"]|"")*"/y],
  ["word", /[a-z_][\w$]*/iy],
  ["number", /\d[\w.]*|\$\d+/y],
  ["mark", /::|:=|=>|\.\.|[()[\],;.:]/y],
  ["operator", /[-+*/<>=~!@#%^&|`?]+|./y],
];

/** Splits SQL into tokens. A text, quoted by `'` or `$…$`, is one. */
export function readTokens(sql: string): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  for (let at = 0; at < sql.length;) {
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = at;
      const found = pattern.exec(sql)?.[0];
      if (found === undefined) continue;
      if (kind !== null) {
        if (found === ")" || found === "]") depth--;
        const text = kind === "word" ? found.toLowerCase() : found;
        tokens.push({ kind, text, start: at, end: at + found.length, depth });
        if (found === "(" || found === "[") depth++;
      }
      at += found.length;
      break;
    }
  }
  return tokens;
}
