import type { Column } from "./columns.ts";
import type { WriteFile } from "./write_file.ts";

/** What must be in quotes; the empty text, too, since nothing is null. */
const special = /[",\r\n]|^$/;
/** What spreadsheets take for the beginning of a formula, if it is no number. */
const formula = /^[=+\-@\t\r]/;
const number = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/**
 * CSV as RFC 4180 has it, in UTF-8, with a header.
 *
 * @param isForSpreadsheet puts an apostrophe before what a spreadsheet would calculate: the value is another
 * one then
 */
export function writeCsv(columns: readonly Column[], isForSpreadsheet: boolean): WriteFile {
  const line = (cells: readonly (string | null)[]) =>
    `${
      cells.map((cell) => cell === null ? "" : special.test(cell) ? quote(cell) : cell).join(",")
    }\r\n`;
  return {
    mediaType: "text/csv;charset=utf-8;header=present",
    start: () => [line(columns.map(({ name }) => name))],
    add: ({ rows }) => [
      rows.map((row) => line(isForSpreadsheet ? row.map(defuse) : row)).join(""),
    ],
    end: () => [],
  };
}

function quote(cell: string): string {
  return `"${cell.includes('"') ? cell.replaceAll('"', '""') : cell}"`;
}

function defuse(cell: string | null): string | null {
  return cell !== null && formula.test(cell) && !number.test(cell) ? `'${cell}` : cell;
}
