import type { Fault } from "../fault.ts";
import { analystFaults } from "./analyst.ts";
import { diskFull } from "./disk_full.ts";
import { embeddedKilled } from "./embedded_killed.ts";
import { passwordsRotated } from "./passwords_rotated.ts";
import { poolerKilled } from "./pooler_killed.ts";
import { processFaults } from "./processes.ts";
import { requestFaults } from "./requests.ts";
import { serverFaults } from "./server.ts";
import { socketFaults } from "./sockets.ts";
import { makeStorm } from "./storm.ts";
import { superuserFaults } from "./superuser.ts";
import { tableLocked } from "./table_locked.ts";
import { timeZoneChanged } from "./time_zone_changed.ts";

/** All that is done to an installation, in the order in which each is done once. */
export const faults: readonly Fault[] = [
  embeddedKilled,
  ...processFaults,
  ...serverFaults,
  passwordsRotated,
  poolerKilled,
  tableLocked,
  diskFull,
  ...analystFaults,
  ...requestFaults,
  timeZoneChanged,
  ...socketFaults,
  makeStorm([
    serverFaults.filter(({ weight }) => weight > 0),
    processFaults,
    [poolerKilled, tableLocked, timeZoneChanged, ...analystFaults, ...requestFaults],
  ]),
  ...superuserFaults,
];
