import { cliJson } from "../../helpers/cli.ts";
import { eventually } from "../../helpers/eventually.ts";
import { recordLongHistory } from "../../helpers/long_history.ts";
import { pick } from "../../helpers/random.ts";
import { type Fault, formatMs } from "../fault.ts";
import type { Installation } from "../installation.ts";
import { untilFollowed } from "../writing.ts";

/** The tokens of owners, and whose long history is recorded. */
const prepared = new WeakMap<Installation, Promise<string>>();

const zones = ["Europe/Berlin", "Asia/Tokyo", "America/St_Johns", "UTC", "Pacific/Apia"];

/** Days in the long form: thousands. */
const days = { long: 2_400, short: 400 };

async function prepare(installation: Installation, isLong: boolean): Promise<string> {
  const { attacked: { organization, key }, database, gateways: [{ url }], ask } = installation;
  const { token } = await cliJson<{ token: string }>(
    ["token", "create", "--user", organization.ownerEmail, "--expires", "12h"],
    { env: database.env },
  );
  const history = recordLongHistory(isLong ? days.long : days.short);
  await eventually(async () => {
    const { outcome } = await ask(url, { key, ...history });
    if (outcome !== "200") throw new Error(`The history is not recorded: ${outcome}`);
  });
  return token;
}

/** All of an organization's numbers are computed anew. */
export const timeZoneChanged: Fault = {
  name: "time-zone-changed",
  done: "an organization with a history of many days changes its time zone",
  promise: "others' marts (5 s) and the sealing (1 s) go on meanwhile",
  weight: 6,
  async run(installation, { random, isLong }) {
    const preparing = prepared.get(installation) ?? prepare(installation, isLong);
    prepared.set(installation, preparing);
    const token = await preparing;
    const { attacked: { organization }, gateways, database, ask } = installation;
    const [now] = await database.query<{ time_zone: string }>(
      "select time_zone from ops.organization where id = $1",
      [organization.id],
    );
    const zone = pick(random, zones.filter((other) => other !== now?.time_zone));
    await eventually(async () => {
      const { outcome } = await ask(pick(random, gateways).url, {
        token,
        organization: organization.slug,
        query: `mutation ($slug: String!, $zone: String!) {
          updateOrganizationBySlug(input: { slug: $slug, patch: { timeZone: $zone } }) {
            organization { timeZone } } }`,
        variables: { slug: organization.slug, zone },
      });
      if (outcome !== "200") throw new Error(`The time zone is not changed: ${outcome}`);
    });
    const { martMs, sealMs } = await untilFollowed(installation);
    return {
      text: `${zone}; another's number is in the mart after ${formatMs(martMs)}, ` +
        `sealed after ${formatMs(sealMs)}`,
      kept: true,
      times: [
        { what: "mart", ms: martMs, promisedMs: 5_000 },
        { what: "seal", ms: sealMs, promisedMs: 1_000 },
      ],
    };
  },
};
