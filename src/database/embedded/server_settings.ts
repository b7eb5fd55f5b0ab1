import { totalmem } from "node:os";
import process from "node:process";

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

/** Bytes of memory that this process may use: the machine's, or what a container leaves of it. */
export function usableMemory(): number {
  // 0, or an absurd number, where there is no limit
  const limit = process.constrainedMemory() || Infinity;
  return Math.min(totalmem(), limit);
}

/**
 * Settings of the embedded PostgreSQL for a machine. PostgreSQL's own defaults are for machines of
 * long ago; it has this one to share with gateway, worker, and whatever else runs on it.
 *
 * @param memoryBytes of the machine
 */
export function settingsForMachine(memoryBytes: number): Record<string, string> {
  return {
    // An eighth: the machine is not PostgreSQL's alone, and what is not found here is mostly in the
    // system's cache. At most 1 GiB: even unused, its table of pages takes 1.2 % of it.
    shared_buffers: inMegabytes(between(32 * mebibyte, memoryBytes / 8, gibibyte)),
    // Reserves nothing: tells the planner that half of the memory is cache, ours or the system's
    effective_cache_size: inMegabytes(memoryBytes / 2),
    // For each sort or hash table, of which each of 100 connections may have several. Marts are merged
    // in memory with this; with the default of 4 MB larger days go to disk.
    work_mem: inMegabytes(between(4 * mebibyte, memoryBytes / 1000, 16 * mebibyte)),
    // Vacuum and building of indexes, one or two at a time
    maintenance_work_mem: inMegabytes(between(32 * mebibyte, memoryBytes / 32, 512 * mebibyte)),
    // After each checkpoint the first change of a page writes all of it to the log; keys are random
    // enough for that to be most of the log. Fewer checkpoints, and space for what is logged between
    // them; what a crash has to be recovered from grows with it, to less than a minute.
    checkpoint_timeout: "15min",
    max_wal_size: "2GB",
    // Disks do not seek any more. With 4, the planner reads whole tables where an index is faster.
    random_page_cost: "1.1",
    // Compiling pays for queries of seconds. Ours take milliseconds, but the planner's estimates for
    // policies and functions are high enough to have them compiled, for 50 ms and more.
    jit: "off",
  };
}

function between(least: number, wanted: number, most: number): number {
  return Math.max(least, Math.min(wanted, most));
}

function inMegabytes(bytes: number): string {
  return `${Math.floor(bytes / mebibyte)}MB`;
}
