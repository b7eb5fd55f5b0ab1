/** One record of a file: JSON text that is valid, or why there is none. */
export type FileRecord =
  & {
    /** The line where it starts, from 1. */
    line: number;
    /** Which element of the array it is, from 1, where several can stand in a line. */
    item?: number;
    /** How many bytes of the file come before its end. */
    end: number;
  }
  & ({ json: string } | { problem: string });

/** A longer record is refused: it is more than any of our records may hold. */
export const longestRecordBytes = 16 * 1024 * 1024;
export const tooLong = "is longer than 16 MiB";
