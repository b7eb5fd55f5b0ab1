import { nextTurn } from "../turns.ts";
import type { FileParts, FileRequest } from "./file_request.ts";
import { type ExportRequest, readExportRequest } from "./read_export_request.ts";
import { type Page, readPages } from "./read_pages.ts";
import { sendStream } from "./send_stream.ts";
import type { WriteFile } from "./write_file.ts";
import { writeCsv } from "./write_csv.ts";
import { writeJsonLines } from "./write_json_lines.ts";
import { writeParquet } from "./write_parquet.ts";

/** To read a row costs as much as an object of an answer, and so much for each byte. */
const rowCost = 1;
const byteCost = 0.001;

/**
 * Answers an export. What the first page needs is known before anything is answered: after that only the
 * database, or rights that are taken away, can break it, and then the answer has no end.
 */
export async function exportFile(request: FileRequest, parts: FileParts): Promise<void> {
  const { kind, parameters, caller, headers, to } = request;
  const asked = readExportRequest(kind, parameters);
  await request.payFirst(false);
  const pages = readPages(parts.adaptor, caller, asked);
  let next = pages.next();
  await next;
  const file = writerOf(asked);
  const isText = asked.format !== "parquet";
  const answer = {
    status: 200,
    headers: {
      ...request.answerHeaders,
      "content-type": file.mediaType,
      "content-disposition": `attachment; filename="${asked.name}.${asked.format}"`,
      "cache-control": "no-store",
    },
    acceptEncoding: isText ? headers["accept-encoding"] ?? "" : null,
    idleMs: parts.clientTimeoutMs,
    bufferBytes: 0,
  };
  if (request.method === "HEAD") {
    await pages.return(undefined);
    to.writeHead(answer.status, answer.headers).end();
    return;
  }
  const stream = sendStream(to, answer);
  request.onBegin(stream);
  try {
    for (const piece of file.start()) await stream.write(piece);
    for (;;) {
      const { value: page, done }: IteratorResult<Page> = await next;
      if (done) break;
      // While the client takes this page, the database reads the next one, and no more
      next = pages.next();
      next.catch(() => {}); // told when it is waited for
      await request.pay(page.rows.length * rowCost + page.bytes * byteCost, false);
      await nextTurn();
      for (const piece of file.add(page)) await stream.write(piece);
    }
    for (const piece of file.end()) await stream.write(piece);
    await stream.end();
  } finally {
    await pages.return(undefined).catch(() => {});
  }
}

function writerOf({ format, table, isForSpreadsheet }: ExportRequest): WriteFile {
  if (format === "csv") return writeCsv(table.columns, isForSpreadsheet);
  return format === "jsonl" ? writeJsonLines() : writeParquet(table.columns);
}
