/** A bounded map whose entries expire; the least recently used goes first when it is full. */
export interface ExpiringCache<Value> {
  /** The value of a key, unless it is absent or has expired. */
  get(key: string): Value | undefined;
  /** Keeps a value until a moment, in milliseconds since 1970 (default: as long as there is room). */
  set(key: string, value: Value, expiresAt?: number): void;
  delete(key: string): void;
  readonly size: number;
}

/**
 * Makes a bounded cache.
 *
 * @param capacity entries kept at most
 */
export function makeExpiringCache<Value>(capacity: number): ExpiringCache<Value> {
  const entries = new Map<string, { value: Value; expiresAt: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      // A Map iterates in order of insertion: to insert again marks the entry as just used.
      entries.delete(key);
      if (entry.expiresAt <= Date.now()) return undefined;
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, expiresAt = Infinity) {
      entries.delete(key);
      entries.set(key, { value, expiresAt });
      if (entries.size > capacity) {
        const oldest = entries.keys().next();
        if (!oldest.done) entries.delete(oldest.value);
      }
    },
    delete(key) {
      entries.delete(key);
    },
    get size() {
      return entries.size;
    },
  };
}
