import { describe, expect, it } from "vitest";
import { careful, type Column, Reader, type Row } from "./rows";

function readIn(text: string, size: number) {
  const seen = { columns: [] as Column[], rows: [] as Row[], id: "" };
  const reader = new Reader({
    columns: (columns, id) => Object.assign(seen, { columns, id }),
    rows: (rows) => seen.rows.push(...rows),
  });
  for (let at = 0; at < text.length; at += size) reader.take(text.slice(at, at + size));
  const tail = reader.end();
  return { ...seen, tail };
}

const rows = ['["a],\\"row_count\\":9",1]', '["b\\n",2]', '["c",9007199254740993]'];
const head = '{"query_id":"q1","columns":[{"name":"t","type":"text"},{"name":"n","type":"bigint"}],"rows":[';
const end = '],"row_count":3,"elapsed_ms":12,"versions":{},"command":"SELECT"}\n';

describe("the reader of rows", () => {
  for (const size of [1, 2, 3, 7, 50, 10_000]) {
    it(`reads an answer in pieces of ${size}`, () => {
      const answer = readIn(`${head}\n${rows.join(",\n")}${end}`, size);
      expect(answer.columns.map((column) => column.name)).toEqual(["t", "n"]);
      expect(answer.rows.slice(0, 2)).toEqual([
        ['a],"row_count":9', 1],
        ["b\n", 2],
      ]);
      expect(answer.tail).toMatchObject({ row_count: 3, elapsed_ms: 12 });
    });
    it(`reads an answer without rows in pieces of ${size}`, () => {
      const answer = readIn(`${head}${end.replace("3", "0")}`, size);
      expect(answer.rows).toEqual([]);
      expect(answer.id).toBe("q1");
      expect(answer.tail.row_count).toBe(0);
    });
  }

  it("says that an answer broke off", () => {
    expect(() => readIn(`${head}\n${rows[0]},\n`, 20)).toThrow("broke off");
  });

  it("keeps an error behind the rows", () => {
    const answer = readIn(`${head}\n${rows[1]}],"row_count":1,"elapsed_ms":1,"error":{"code":"timeout","message":"m"}}\n`, 9);
    expect(answer.rows).toHaveLength(1);
    expect(answer.tail.error?.code).toBe("timeout");
  });
});

describe("numbers", () => {
  it("are as exact as they came, whatever a double has room for", () => {
    const read = (source: string) => careful("", JSON.parse(source), { source });
    for (const source of ["123456789012345678901234567.891", "-0.12345678901234567890", "9007199254740993"]) expect(read(source)).toBe(source);
    // What is a double stays one.
    for (const [source, value] of [["587.6304240000001", 587.6304240000001], ["1.50", 1.5], ["0.1", 0.1], ["1.0e300", 1e300], ["0.000000000000000000", 0]] as const) expect(read(source)).toBe(value);
  });
});
