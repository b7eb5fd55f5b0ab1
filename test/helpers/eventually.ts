import { vi } from "vitest";

/**
 * Waits until a check passes, which is tried again and again, and answers what it answers. The
 * deadline is far away, for busy machines: only a test that fails meets it.
 */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return await vi.waitFor(check, { timeout: 60_000, interval: 50 });
}
