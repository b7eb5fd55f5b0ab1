/**
 * Tells Grafast to run in production mode, unless the environment says otherwise. Import it before
 * anything of PostGraphile: the mode is read once, when its modules are loaded, and without one
 * they print a warning on every start.
 */
import process from "node:process";

process.env["GRAPHILE_ENV"] ??= "production";
