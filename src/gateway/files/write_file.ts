import type { Page } from "./read_pages.ts";

/** Turns pages of an export into the bytes of a file. */
export interface WriteFile {
  mediaType: string;
  start(): (string | Uint8Array)[];
  add(page: Page): (string | Uint8Array)[];
  end(): (string | Uint8Array)[];
}
