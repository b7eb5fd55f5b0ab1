let last: Promise<void> = Promise.resolve();

/**
 * Waits for one's turn before work that keeps the thread busy for milliseconds. Between two turns the
 * thread looks at its sockets, so that fifty such requests at once delay a small one by one turn, not
 * by fifty. (By timers: Deno's setImmediate does not let it look.)
 */
export function nextTurn(): Promise<void> {
  // A small request takes two rounds of the event loop: to be read, and to be answered
  last = last.then(nextRound).then(nextRound);
  return last;
}

function nextRound(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
