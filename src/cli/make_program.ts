import { Command } from "commander";
import { addAnalystCreate } from "./analyst/create.ts";
import { addAnalystDrop } from "./analyst/drop.ts";
import { addAnalystGrant } from "./analyst/grant.ts";
import { addAnalystList } from "./analyst/list.ts";
import { addAnalystRevoke } from "./analyst/revoke.ts";
import { addApiKeyCreate } from "./api_key/create.ts";
import { addApiKeyList } from "./api_key/list.ts";
import { addApiKeyRevoke } from "./api_key/revoke.ts";
import { addAuditAcceptRestore } from "./audit/accept_restore.ts";
import { addAuditRetain } from "./audit/retain.ts";
import { addAuditVerify } from "./audit/verify.ts";
import { addDocumentList } from "./document/list.ts";
import { addDocumentRegister } from "./document/register.ts";
import { addDocumentRemove } from "./document/remove.ts";
import { addDoctor } from "./doctor/doctor.ts";
import { addExportOrganization } from "./export/organization.ts";
import { addExportUser } from "./export/user.ts";
import { addRetain } from "./fact/retain.ts";
import { addImportAnalyses } from "./import/analyses.ts";
import { addImportPrompts } from "./import/prompts.ts";
import { addJobCancel } from "./job/cancel.ts";
import { addJobs } from "./job/list.ts";
import { addJobRetry } from "./job/retry.ts";
import { addLegalHoldList } from "./legal_hold/list.ts";
import { addLegalHoldPlace } from "./legal_hold/place.ts";
import { addLegalHoldRelease } from "./legal_hold/release.ts";
import { addLoginSecretRotate } from "./login_secret/rotate.ts";
import { addMemberAdd } from "./member/add.ts";
import { addMemberList } from "./member/list.ts";
import { addMemberRemove } from "./member/remove.ts";
import { addMemberRole } from "./member/role.ts";
import { addRollup } from "./mart/rollup.ts";
import { addOrganizationCreate } from "./organization/create.ts";
import { addOrganizationErase } from "./organization/erase.ts";
import { addOrganizationList } from "./organization/list.ts";
import { addPlatformAdminGrant } from "./platform_admin/grant.ts";
import { addPlatformAdminList } from "./platform_admin/list.ts";
import { addPlatformAdminRevoke } from "./platform_admin/revoke.ts";
import { addQuotaList } from "./quota/list.ts";
import { addQuotaSet } from "./quota/set.ts";
import type { Run } from "./shared/command.ts";
import { addTokenCreate } from "./token/create.ts";
import { addUserErase } from "./user/erase.ts";
import { addUserList } from "./user/list.ts";

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
  addOrganizationList(organization, run);
  addOrganizationErase(organization, run);

  const user = program.command("user").description("People");
  addUserList(user, run);
  addUserErase(user, run);

  const member = program.command("member").description("Who is what in which organization");
  addMemberList(member, run);
  addMemberAdd(member, run);
  addMemberRole(member, run);
  addMemberRemove(member, run);

  const quota = program.command("quota").description("How many of something there may be");
  addQuotaList(quota, run);
  addQuotaSet(quota, run);

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

  const document = program.command("document").description(
    "Documents of GraphQL that clients run by id",
  );
  addDocumentRegister(document, run);
  addDocumentList(document, run);
  addDocumentRemove(document, run);

  const loginSecret = program.command("login-secret")
    .description("What the passwords of curestry_gateway and curestry_worker follow from");
  addLoginSecretRotate(loginSecret, run);

  const platformAdmin = program.command("platform-admin").alias("operator")
    .description("Users who see failed jobs through the API");
  addPlatformAdminGrant(platformAdmin, run);
  addPlatformAdminRevoke(platformAdmin, run);
  addPlatformAdminList(platformAdmin, run);

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

  const jobs = addJobs(program, run);
  addJobRetry(jobs, run);
  addJobCancel(jobs, run);

  const audit = program.command("audit").description("The audit log");
  addAuditVerify(audit, run);
  addAuditAcceptRestore(audit, run);
  addAuditRetain(audit, run);

  addDoctor(program, run);
  return program;
}
