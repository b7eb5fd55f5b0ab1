import type { AuditSeal } from "../checkpoints.ts";
import type { MakeTask } from "../task.ts";

/** Seals what was recorded, and writes checkpoints of it. Safe to repeat. */
const makeSealAudit: MakeTask = ({ pool, times, checkpoints }) => {
  async function sealAudit(): Promise<void> {
    const { rows } = await pool.query<AuditSeal>("select * from app.seal_audit()");
    if (rows.length > 0) await checkpoints?.write(rows);
  }
  return { run: sealAudit, poll: { interval: times.look, look: sealAudit } };
};
export default makeSealAudit;
