/** Lets work in, so much at a time of each kind and in all; the rest waits in its order. */
export interface Gate {
  pass<Result>(key: string, work: () => Promise<Result>): Promise<Result>;
}

/**
 * Makes a gate.
 *
 * @param perKey at a time, of one key
 * @param inAll at a time
 */
export function makeGate(perKey: number, inAll: number): Gate {
  const inside = new Map<string, number>();
  const waiting = new Set<{ key: string; enter(): void }>();
  let count = 0;

  function mayEnter(key: string): boolean {
    return count < inAll && (inside.get(key) ?? 0) < perKey;
  }

  function enter(key: string): void {
    count++;
    inside.set(key, (inside.get(key) ?? 0) + 1);
  }

  function leave(key: string): void {
    count--;
    const left = inside.get(key)! - 1;
    if (left === 0) inside.delete(key);
    else inside.set(key, left);
    for (const one of waiting) {
      if (count >= inAll) return;
      if (!mayEnter(one.key)) continue;
      waiting.delete(one);
      enter(one.key);
      one.enter();
    }
  }

  return {
    async pass(key, work) {
      if (mayEnter(key)) enter(key);
      else await new Promise<void>((resolve) => waiting.add({ key, enter: resolve }));
      try {
        return await work();
      } finally {
        leave(key);
      }
    },
  };
}
