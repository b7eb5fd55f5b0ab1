import { expect, test } from "vitest";
import type { FileRecord } from "../../src/files/file_record.ts";
import { type Format, readRecords } from "../../src/files/read_records.ts";

const ALL: Format[] = ["csv", "json", "jsonl"];

/** Reads a file of this name and content; in chunks of one byte, which must make no difference. */
async function read(
  name: string,
  content: string | Uint8Array,
): Promise<(["line", number, unknown] | ["refused", number, string])[]> {
  const bytes = Buffer.from(content);
  async function* chunks() {
    for (const byte of bytes) yield Uint8Array.of(byte);
  }
  const found: FileRecord[] = [];
  for await (const record of readRecords({ name, chunks: chunks() }, ALL)) {
    found.push(record);
  }
  return found.map((record) =>
    "json" in record
      ? ["line", record.line, JSON.parse(record.json)]
      : ["refused", record.line, record.problem]
  );
}

test("CSV: quoted separators, quotes and line breaks; the line is that of the record's start", async () => {
  expect(
    await read("a.csv", '\ufeffname,content\r\n"A, a","one\r\ntwo ""2"""\r\n\r\nB,b\r\n\r\n'),
  ).toEqual([
    ["line", 2, { name: "A, a", content: 'one\r\ntwo "2"' }],
    ["line", 5, { name: "B", content: "b" }],
  ]);
});

test("CSV: empty fields are absent, tags are a list, structured columns are JSON", async () => {
  expect(
    await read("a.csv", 'name,tags,extra_metadata\nA,"x, y",\nB,"[""z""]","{""k"": 1}"\n'),
  ).toEqual([
    ["line", 2, { name: "A", tags: ["x", "y"] }],
    ["line", 3, { name: "B", tags: ["z"], extra_metadata: { k: 1 } }],
  ]);
});

test("CSV: semicolons and tabs separate too, by the header", async () => {
  expect(await read("a.csv", "name;content\nA;a, b\n")).toEqual([
    ["line", 2, { name: "A", content: "a, b" }],
  ]);
  expect(await read("a.csv", "name\tcontent\nA\ta; b\n")).toEqual([
    ["line", 2, { name: "A", content: "a; b" }],
  ]);
});

test("CSV: a broken record is refused with its line, and what follows is read", async () => {
  const file = [
    "name,content", // 1
    "A,a", // 2
    "B,b,c", // 3
    'C"c,c', // 4
    '"D"d,d', // 5
    'E,"never closed', // 6
    '"F","f', // 7
    'f"', // 8
    "G,g", // 9
  ].join("\n");
  expect(await read("a.csv", file)).toEqual([
    ["line", 2, { name: "A", content: "a" }],
    ["refused", 3, "has 3 fields, and the header has 2"],
    ["refused", 4, 'has a quote (") in a field that does not begin with one'],
    ["refused", 5, "has something between a closing quote and the next separator"],
    ["refused", 6, "has a quote that is opened and not closed"],
    ["line", 7, { name: "F", content: "f\nf" }],
    ["line", 9, { name: "G", content: "g" }],
  ]);
});

test("CSV: after a quote that is never closed, the rest counts only if all of it is whole records", async () => {
  expect(await read("a.csv", 'name,content\nA,"a\nB,b\nC,c\n')).toEqual([
    ["refused", 2, "has a quote that is opened and never closed"],
    ["line", 3, { name: "B", content: "b" }],
    ["line", 4, { name: "C", content: "c" }],
  ]);
  // The end of a long text that was cut off: its lines are no records
  expect(await read("a.csv", 'name,content\nA,"a\nHello, world\nand so on')).toEqual([
    ["refused", 2, "has a quote that is opened and never closed; nothing after it was read"],
  ]);
});

test("CSV: bytes that are no UTF-8 are refused with their record", async () => {
  const file = Buffer.concat([
    Buffer.from("name,content\nA,a\nB,"),
    Buffer.from([0xe9, 0x0a]),
    Buffer.from("C,ç\n"),
  ]);
  expect(await read("a.csv", file)).toEqual([
    ["line", 2, { name: "A", content: "a" }],
    ["refused", 3, "is not valid UTF-8"],
    ["line", 4, { name: "C", content: "ç" }],
  ]);
});

test("CSV: a header that names a column twice is refused as a whole", async () => {
  await expect(read("a.csv", "name,name\nA,a\n")).rejects.toThrow('two columns "name"');
});

test("JSON Lines: broken lines are refused with their number, empty ones are passed over", async () => {
  const file = Buffer.concat([
    Buffer.from('\ufeff{"name": "A"}\r\n\r\n{"name": \n'),
    Buffer.from([0x22, 0xff, 0x22, 0x0a]),
    Buffer.from('"\u0000"\n{"name": "É"}'),
  ]);
  const [first, broken, bytes, nul, last] = await read("a.jsonl", file);
  expect(first).toEqual(["line", 1, { name: "A" }]);
  expect(broken).toEqual(["refused", 3, expect.stringMatching(/^is not valid JSON: [^:]+$/)]);
  expect(bytes).toEqual(["refused", 4, "is not valid UTF-8"]);
  expect(nul).toEqual(["refused", 5, expect.stringContaining("is not valid JSON")]);
  expect(last).toEqual(["line", 6, { name: "É" }]);
});

test("JSON: elements of an array, with their lines; a broken one is refused alone", async () => {
  const file = `[
  {"name": "A ] , }", "tags": ["x", "\\"y"]},
  {"name": "B" "content": 1},
  {"name":
    "C"}
]`;
  expect(await read("a.json", file)).toEqual([
    ["line", 2, { name: "A ] , }", tags: ["x", '"y'] }],
    ["refused", 3, expect.stringContaining("is not valid JSON")],
    ["line", 4, { name: "C" }],
  ]);
  expect(await read("a.json", "[]")).toEqual([]);
  expect(await read("a.json", '[{"a": 1}, {"b": 2')).toEqual([
    ["line", 1, { a: 1 }],
    ["refused", 1, "has no end; nothing after it was read"],
  ]);
});

test("numbers keep their digits", async () => {
  async function* chunks() {
    yield Buffer.from('[{"n": 0.12345678901234567890123}]');
  }
  const source = { name: "a.json", chunks: chunks() };
  for await (const record of readRecords(source, ALL)) {
    expect(record).toMatchObject({ json: '{"n": 0.12345678901234567890123}' });
  }
});

test("without a telling name, the content says what the file is", async () => {
  expect(await read("standard input", '{"a": 1}\n')).toEqual([["line", 1, { a: 1 }]]);
  expect(await read("standard input", ' [{"a": 1}]')).toEqual([["line", 1, { a: 1 }]]);
  expect(await read("standard input", "a\n1\n")).toEqual([["line", 2, { a: "1" }]]);
  expect(await read("a.json", '{"a": 1}\n{"a": 2}')).toHaveLength(2);
  expect(await read("standard input", "")).toEqual([]);
  await expect(read("a.csv", Buffer.from([0xff, 0xfe, 0x41, 0x00]))).rejects.toThrow("UTF-16");
});

test("a record that is too long is refused, and what follows is read, in pieces of 64 KiB", async () => {
  const long = "x".repeat(17 * 1024 * 1024);
  async function* pieces(content: string) {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  }
  async function readPieces(name: string, content: string) {
    const found: unknown[] = [];
    for await (const record of readRecords({ name, chunks: pieces(content) }, ALL)) {
      found.push([record.line, "json" in record ? JSON.parse(record.json) : record.problem]);
    }
    return found;
  }
  const problem = "is longer than 16 MiB";
  expect(await readPieces("a.csv", `name,content\nA,a\nB,${long}\nC,c\n`)).toEqual([
    [2, { name: "A", content: "a" }],
    [3, problem],
    [4, { name: "C", content: "c" }],
  ]);
  expect(await readPieces("a.jsonl", `{"a":1}\n{"a":"${long}"}\n{"a":2}\n`)).toEqual([
    [1, { a: 1 }],
    [2, problem],
    [3, { a: 2 }],
  ]);
  expect(await readPieces("a.json", `[{"a":1},\n{"a":"${long}"},\n{"a":2}]`)).toEqual([
    [1, { a: 1 }],
    [2, problem],
    [3, { a: 2 }],
  ]);
  // A quote that is never closed is looked for so far
  expect(
    await readPieces("a.csv", `name,content\nA,"a\n${`B,${"b".repeat(999)}\n`.repeat(25_000)}`)
      .then((all) => all.slice(0, 2)),
  )
    .toEqual([[2, "has a quote that is opened and never closed"], [3, {
      name: "B",
      content: "b".repeat(999),
    }]]);
});

async function* pieces(content: Uint8Array, size: number) {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

test("a file of many records is the same in pieces of any size", async () => {
  const lines = Array.from(
    { length: 3_000 },
    (_, n) => `${n},"a ""${n}""\r\nü${"x".repeat(n % 97)}"`,
  );
  const content = Buffer.from(`name,content\r\n${lines.join("\r\n")}\r\n`);
  for (const size of [1, 7, 1_000, 65_536, content.length]) {
    let count = 0;
    for await (const record of readRecords({ name: "a.csv", chunks: pieces(content, size) }, ALL)) {
      expect(record).toMatchObject({ line: 2 + 2 * count });
      expect(JSON.parse((record as { json: string }).json)).toEqual({
        name: String(count),
        content: `a "${count}"\r\nü${"x".repeat(count % 97)}`,
      });
      count++;
    }
    expect(count).toBe(3_000);
  }
});
