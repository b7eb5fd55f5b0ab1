import { FileError } from "./file_error.ts";

/** Files that are under way at once, and of one organization: each holds some memory. */
const mostAtOnce = 32;
const mostOfOrganization = 8;
const retrySeconds = 5;

/** Lets so many files be under way. */
export interface Turnstile {
  /**
   * @returns call it when the file is done
   * @throws FileError when there are too many
   */
  enter(organization: string): () => void;
}

/** Makes the turnstile of one gateway. */
export function makeTurnstile(): Turnstile {
  const inside = new Map<string, number>();
  let count = 0;
  return {
    enter(organization) {
      const own = inside.get(organization) ?? 0;
      if (count >= mostAtOnce || own >= mostOfOrganization) {
        throw new FileError(
          429,
          "LIMIT",
          `${mostOfOrganization} exports and imports of an organization may be under way at once, and ` +
            `${mostAtOnce} of all; try again in ${retrySeconds} s`,
          { "retry-after": String(retrySeconds) },
        );
      }
      count++;
      inside.set(organization, own + 1);
      let isInside = true;
      return () => {
        if (!isInside) return;
        isInside = false;
        count--;
        const left = inside.get(organization)! - 1;
        if (left === 0) inside.delete(organization);
        else inside.set(organization, left);
      };
    },
  };
}
