import { findDatabase } from "../database/connect.ts";
import { openLogin } from "../database/open_login.ts";
import { gatewayOptions } from "../gateway/gateway_options.ts";
import { introspectEarly } from "../gateway/database/early_introspection.ts";
import { importLater } from "../shared/import_later.ts";
import { makeLog } from "../shared/log.ts";
import { fail, listenForStop } from "../shared/process.ts";
import { readJwtKeys } from "../shared/read_jwt_keys.ts";
import { readSettings, type Settings } from "../shared/settings.ts";

/** `deno task gateway`: answers requests until it is asked to stop, then finishes those under way. */
async function main(): Promise<void> {
  const settings = readSettings();
  const log = makeLog(settings.logLevel);
  const { first: stopped } = listenForStop();
  const adminUrl = await findDatabase(settings);
  if (settings.gatewayUrls === null && adminUrl === null) {
    throw new Error(
      "There is no database: set DATABASE_URL (or CURESTRY_GATEWAY_URL), or run `deno task start`, " +
        "which brings its own database and gateway",
    );
  }
  const [databaseUrl, jwtKeys] = await explainMissing(settings, () =>
    Promise.all([
      openLogin(settings, "curestry_gateway", adminUrl, log),
      readJwtKeys(settings),
    ]));
  const introspection = await introspectEarly(databaseUrl, "curestry_member");
  const { makeGateway } = await importLater<typeof import("../gateway/serve.ts")>(
    new URL("../gateway/serve.ts", import.meta.url),
  );
  const gateway = await makeGateway({
    ...gatewayOptions(settings),
    databaseUrl,
    jwtKeys,
    log,
    ...(introspection === null ? {} : { introspection }),
  });
  console.log(`Curestry is ready on ${gateway.url}`);
  const reason = await stopped;
  log.info({ reason }, "The gateway stops");
  await gateway.stop();
}

/** `deno task gateway` may not write files: what it reads is there, since `migrate` makes it. */
async function explainMissing<T>(settings: Settings, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    const message =
      `There are no keys or no login secret in ${settings.dataDir}, and the gateway may not write ` +
      "them: run `deno task migrate`, which does, or set CURESTRY_JWT_KEYS and CURESTRY_LOGIN_SECRETS";
    throw new Error(message, { cause: error });
  }
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
