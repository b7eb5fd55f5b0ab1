/** An answer as it is sent. */
export interface Answer {
  status: number;
  /** Names in small letters. */
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer> | null;
}
