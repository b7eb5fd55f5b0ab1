import { expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
const database = withTestDatabase();
test("x", async () => { expect(await database.query("select * from app.security_findings()")).toEqual([]); });
