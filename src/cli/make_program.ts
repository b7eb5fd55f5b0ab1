import { Command } from "commander";
import { addAnalystCreate } from "./analyst_create.ts";
import { addAnalystDrop } from "./analyst_drop.ts";
import { addAnalystGrant } from "./analyst_grant.ts";
import { addAnalystList } from "./analyst_list.ts";
import { addAnalystRevoke } from "./analyst_revoke.ts";
import { addApiKeyCreate } from "./api_key_create.ts";
import { addApiKeyList } from "./api_key_list.ts";
import { addApiKeyRevoke } from "./api_key_revoke.ts";
import { addAuditRetain } from "./audit_retain.ts";
import { addAuditVerify } from "./audit_verify.ts";
import { addDoctor } from "./doctor.ts";
import { addExportOrganization } from "./export_organization.ts";
import { addExportUser } from "./export_user.ts";
import { addImportAnalyses } from "./import_analyses.ts";
import { addImportPrompts } from "./import_prompts.ts";
import { addJobs } from "./jobs.ts";
import { addOperator } from "./operator.ts";
import { addLegalHoldList } from "./legal_hold_list.ts";
import { addLegalHoldPlace } from "./legal_hold_place.ts";
import { addLegalHoldRelease } from "./legal_hold_release.ts";
import { addOrganizationCreate } from "./organization_create.ts";
import { addOrganizationErase } from "./organization_erase.ts";
import { addRetain } from "./retain.ts";
import { addRollup } from "./rollup.ts";
import type { Run } from "./run_command.ts";
import { addTokenCreate } from "./token_create.ts";
import { addUserErase } from "./user_erase.ts";

/**
 * The command line: its commands, options and help.
 *
 * @param run what to do with the work of the command that was chosen
 */
export function makeProgram(run: Run): Command {
  const program = new Command("curestry")
    .description("Operates Curestry: on the database of DATABASE_URL, or on the embedded one")
    .option("--json", "print one JSON document on standard output, and nothing else")
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showHelpAfterError("Add --help to see what this command takes")
    .exitOverride();

  const organization = program.command("organization").description("Organizations");
  addOrganizationCreate(organization, run);
  addOrganizationErase(organization, run);

  const user = program.command("user").description("People");
  addUserErase(user, run);

  const apiKey = program.command("api-key").description("API keys of organizations");
  addApiKeyCreate(apiKey, run);
  addApiKeyList(apiKey, run);
  addApiKeyRevoke(apiKey, run);

  const token = program.command("token").description("Session tokens of people");
  addTokenCreate(token, run);

  const analyst = program.command("analyst").description("Logins that read with SQL");
  addAnalystCreate(analyst, run);
  addAnalystGrant(analyst, run);
  addAnalystRevoke(analyst, run);
  addAnalystList(analyst, run);
  addAnalystDrop(analyst, run);

  const operator = program.command("operator").description(
    "Users who see failed jobs through the API",
  );
  addOperator(operator, run);

  const imports = program.command("import").description("Data from files");
  addImportPrompts(imports, run);
  addImportAnalyses(imports, run);

  const exports = program.command("export").description("All of somebody's data, in one file");
  addExportOrganization(exports, run);
  addExportUser(exports, run);

  const hold = program.command("legal-hold").description("What must not be erased or deleted");
  addLegalHoldPlace(hold, run);
  addLegalHoldList(hold, run);
  addLegalHoldRelease(hold, run);

  addRollup(program, run);
  addRetain(program, run);
  addJobs(program, run);
  const audit = program.command("audit").description("The audit log");
  addAuditVerify(audit, run);
  addAuditRetain(audit, run);

  addDoctor(program, run);
  return program;
}
