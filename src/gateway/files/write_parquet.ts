import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { Column, ColumnType } from "./columns.ts";
import type { WriteFile } from "./write_file.ts";

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];

/** A group of rows has at most so many, and about so many bytes: they are held until it is written. */
const groupRows = 10_000;
const groupBytes = 4 * 1024 * 1024;
const dayMs = 86_400_000;

const text: Partial<SchemaElement> = { type: "BYTE_ARRAY", converted_type: "UTF8" };
const double: Partial<SchemaElement> = { type: "DOUBLE" };

/** Types in Parquet, and how texts become their values. */
const types: Readonly<
  Record<ColumnType, { element: Partial<SchemaElement>; read(text: string): unknown }>
> = {
  text: { element: text, read: (value) => value },
  json: { element: text, read: (value) => value },
  integer: { element: { type: "INT32" }, read: Number },
  bigint: { element: { type: "INT64" }, read: BigInt },
  double: { element: double, read: Number },
  numeric: { element: double, read: Number },
  boolean: { element: { type: "BOOLEAN" }, read: (value) => value === "true" },
  time: { element: { type: "INT64", converted_type: "TIMESTAMP_MICROS" }, read: readMicroseconds },
  date: {
    element: { type: "INT32", converted_type: "DATE" },
    read: (value) => Date.parse(`${value}T00:00:00Z`) / dayMs,
  },
};

/** Parquet, compressed with Snappy, a group of rows at a time. */
export function writeParquet(columns: readonly Column[]): WriteFile {
  const bytes = new ByteWriter();
  const schema = [
    { name: "root", num_children: columns.length },
    ...columns.map(({ name, type }) => ({
      name,
      repetition_type: "OPTIONAL" as const,
      ...types[type].element,
    })),
  ];
  const writer = new ParquetWriter({ writer: bytes, schema, createdBy: "curestry" });
  let rows: (string | null)[][] = [];
  let size = 0;

  /** What was written since the last time. */
  function take(): Uint8Array {
    const taken = bytes.getBytes().slice();
    bytes.index = 0;
    return taken;
  }

  function writeGroup(): Uint8Array[] {
    const columnData = columns.map(({ name, type }, n) => {
      const { read } = types[type];
      const data = rows.map((row) => row[n] == null ? null : read(row[n]));
      return { name, data, offsetIndex: false };
    });
    writer.write({ columnData, rowGroupSize: groupRows });
    rows = [];
    size = 0;
    return [take()];
  }

  return {
    mediaType: "application/vnd.apache.parquet",
    start: () => [take()],
    add(page) {
      rows.push(...page.rows);
      size += page.bytes;
      return rows.length >= groupRows || size >= groupBytes ? writeGroup() : [];
    },
    end() {
      const last = rows.length > 0 ? writeGroup() : [];
      writer.finish();
      return [...last, take()];
    },
  };
}

/** @param text as `app.file_time` writes it */
function readMicroseconds(text: string): bigint {
  const [seconds = "", fraction = "0"] = text.slice(0, -1).split(".");
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000n + BigInt(fraction);
}
