/** An answer as it is sent. */
export interface Answer {
  status: number;
  /** Names in small letters. */
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer> | null;
}

/** Headers that say that an answer also depends on these headers of its request. */
export function withVary(headers: Answer["headers"], names: string): Answer["headers"] {
  return { ...headers, vary: headers.vary === undefined ? names : `${headers.vary}, ${names}` };
}
