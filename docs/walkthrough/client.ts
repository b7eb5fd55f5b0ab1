import process from "node:process";
import { createClient, type CurestryClient } from "../../src/client/mod.ts";

const { CURESTRY_URL: url = "http://127.0.0.1:5678", CURESTRY_KEY: credential = "" } = process.env;

/** The client of the walk-through: asks Curestry at CURESTRY_URL with the API key of CURESTRY_KEY. */
export const client: CurestryClient = createClient({ url, credential });
