import type { AuditSeal } from "../../src/maintenance/checkpoints.ts";
import type { MakeTask } from "../../src/worker/task.ts";

/** Seals what was recorded, and writes checkpoints of it. Safe to repeat. */
const makeSealAudit: MakeTask = ({ pool, times, checkpoints }) => {
  async function sealAudit(): Promise<void> {
    const { rows } = await pool.query<AuditSeal>("select * from app.audit_write_seals()");
    // Without any, too: what could not be written the last time
    await checkpoints?.write(rows);
  }
  return { run: sealAudit, poll: { intervalMs: times.sealIntervalMs, run: sealAudit } };
};
export default makeSealAudit;
