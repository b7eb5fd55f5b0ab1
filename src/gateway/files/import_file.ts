import { type Format, readRecords } from "../../files/read_records.ts";
import { type RecordOutcome, sendRecords } from "../../files/send_records.ts";
import { UnreadableFile } from "../../files/unreadable_file.ts";
import { badParameter, ClientGone, FileError } from "./file_error.ts";
import type { FileParts, FileRequest } from "./file_request.ts";
import { readUpload } from "./read_upload.ts";
import { choose, readSwitch } from "./read_export_request.ts";
import { type FileStream, sendStream } from "./send_stream.ts";

/** What can be imported. */
interface ImportKind {
  /** The function of SQL that does it, and the permission that it needs. */
  sql: string;
  needs: string;
  formats: readonly Format[];
  /** Whether it is paid from the budget of recording. */
  records: boolean;
}

/** The kinds of `POST /import/KIND`. */
export const importKinds: Readonly<Record<string, ImportKind>> = {
  prompts: {
    sql: "app.prompt_import_as_member",
    needs: "prompts:write",
    formats: ["csv", "jsonl", "json"],
    records: false,
  },
  analyses: {
    sql: "app.analysis_import_as_member",
    needs: "analyses:write",
    formats: ["jsonl", "json"],
    records: true,
  },
  scores: {
    sql: "app.score_import_as_member",
    needs: "analyses:write",
    formats: ["csv", "jsonl", "json"],
    records: true,
  },
  metrics: {
    sql: "app.metric_import_as_member",
    needs: "analyses:write",
    formats: ["csv", "jsonl", "json"],
    records: true,
  },
};

const formatsByMediaType: Readonly<Record<string, Format>> = {
  "text/csv": "csv",
  "application/json": "json",
  "application/jsonl": "jsonl",
  "application/x-jsonlines": "jsonl",
  "application/x-ndjson": "jsonl",
};
/** To read and store a byte costs as much as to read one of an operation. */
const byteCost = 0.01;
/** What is said about lines and not taken yet, at most: then no more of the file is read. */
const bufferBytes = 4 * 1024 * 1024;
const parameterNames = ["format", "dryRun", "outcomes"];

/** Ends the transaction of a dry run. */
class Undo extends Error {
  constructor(readonly outcomes: RecordOutcome[]) {
    super("This was a dry run");
  }
}

/**
 * Answers an import: a line of JSON for each line of the file, while the file comes in, and a last one with
 * the sums. Some hundred lines are one transaction. A failure is said in the last line, too.
 */
export async function importFile(request: FileRequest, parts: FileParts): Promise<void> {
  const { parameters, message, headers, to } = request;
  const kind = importKinds[request.kind]!;
  for (const name of parameters.keys()) {
    if (!parameterNames.includes(name)) {
      throw badParameter(
        name,
        `is no parameter of imports; there are ${parameterNames.join(", ")}`,
      );
    }
  }
  const dryRun = readSwitch("dryRun", parameters);
  const shown = choose("outcomes", parameters, ["all", "refused"]);
  const formats = readFormats(kind, parameters.get("format"), headers["content-type"]);
  const upload = readUpload(message, {
    encoding: headers["content-encoding"],
    maxBytes: parts.maxImportBytes,
    idleMs: parts.clientTimeoutMs,
  });
  await requirePermission(request, parts, kind.needs);
  await request.payFirst(kind.records);

  let stream: FileStream | null = null;
  const begin = (): FileStream => {
    if (stream !== null) return stream;
    stream = sendStream(to, {
      status: 200,
      headers: {
        ...request.answerHeaders,
        "content-type": "application/jsonl;charset=utf-8",
        "cache-control": "no-store",
      },
      acceptEncoding: null,
      idleMs: parts.clientTimeoutMs,
      bufferBytes,
    });
    request.onBegin(stream);
    return stream;
  };

  const total = { read: 0, inserted: 0, unchanged: 0, refused: 0 };
  let lastLine = 0;
  let error: { code: string; message: string; afterLine: number } | undefined;
  try {
    const records = readRecords({ name: `The body.${formats[0]}`, chunks: upload }, formats);
    for await (
      const { outcomes } of sendRecords(records, async (lines) => {
        await request.pay(lines.length * byteCost, kind.records);
        return await send(request, parts, { sql: kind.sql, lines, dryRun });
      })
    ) {
      let said = "";
      for (const outcome of outcomes) {
        total.read++;
        total[outcome.outcome]++;
        lastLine = outcome.line;
        if (shown === "all" || outcome.outcome === "refused") said += describe(outcome, dryRun);
      }
      await begin().write(said);
    }
  } catch (cause) {
    // Refused as a whole: nothing was imported, and nothing said
    if (stream === null && cause instanceof FileError) throw cause;
    if (stream === null && cause instanceof UnreadableFile) {
      throw new FileError(400, "INVALID", cause.message);
    }
    if (cause instanceof ClientGone) throw cause;
    error = { ...await explain(cause, parts, request), afterLine: lastLine };
  }
  await begin().write(
    `${
      JSON.stringify({ ...(error === undefined ? {} : { error }), total: { ...total, dryRun } })
    }\n`,
  );
  await begin().end();
}

/** @throws FileError if it is not given, or the kind has no such format */
function readFormats(
  kind: ImportKind,
  format: string | null,
  contentType: string | undefined,
): readonly Format[] {
  const names = kind.formats.join(", ");
  if (format !== null) {
    const found = kind.formats.find((name) => name === format);
    if (found === undefined) throw badParameter("format", `must be one of ${names}`);
    return readersOf(found);
  }
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  const found = formatsByMediaType[mediaType];
  if (found === undefined || !kind.formats.includes(found)) {
    const types = Object.entries(formatsByMediaType).filter(([, name]) =>
      kind.formats.includes(name)
    );
    throw new FileError(
      415,
      "INVALID",
      `Content-Type: must be one of ${types.map(([type]) => type).join(", ")}`,
    );
  }
  return readersOf(found);
}

/** Some call JSON what is JSON Lines. */
function readersOf(format: Format): readonly Format[] {
  return format === "json" ? ["json", "jsonl"] : [format];
}

async function requirePermission(
  { caller }: FileRequest,
  { adaptor }: FileParts,
  permission: string,
): Promise<void> {
  const database = adaptor.openRequest(caller, "import");
  try {
    await database.withPgClient(
      null,
      (client) => client.query({ text: "select app.require($1)", values: [permission] }),
    );
  } finally {
    database.finish();
  }
}

/** A batch, in a transaction of its own; of a dry run nothing stays. */
async function send(
  { caller }: FileRequest,
  { adaptor }: FileParts,
  { sql, lines, dryRun }: { sql: string; lines: string; dryRun: boolean },
): Promise<RecordOutcome[]> {
  const database = adaptor.openRequest(caller, "import");
  database.begin("mutation", { inOneTurn: false });
  try {
    return await database.withPgClient(null, async (client) => {
      const { rows } = await client.query<RecordOutcome>({
        text: `select line, outcome, id, reason from ${sql}($1)`,
        values: [lines],
      });
      if (dryRun) throw new Undo([...rows]);
      return [...rows];
    });
  } catch (error) {
    if (error instanceof Undo) return error.outcomes;
    throw error;
  } finally {
    database.finish();
  }
}

function describe({ line, item, outcome, id, reason }: RecordOutcome, dryRun: boolean): string {
  const shownId = id === null || dryRun && outcome === "inserted" ? {} : { id };
  const message = reason === null ? {} : { message: reason };
  return `${JSON.stringify({ line, item, outcome, ...shownId, ...message })}\n`;
}

async function explain(
  cause: unknown,
  { errors }: FileParts,
  { caller }: FileRequest,
): Promise<{ code: string; message: string }> {
  if (cause instanceof FileError) return { code: cause.code, message: cause.message };
  if (cause instanceof UnreadableFile) return { code: "INVALID", message: cause.message };
  const { message, extensions: { code } } = await errors.toClientError(cause, caller.requestId);
  return { code, message };
}
