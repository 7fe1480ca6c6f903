// Asks through node-postgres, and prints the answers, one JSON line each.
//
//   node postgres.mjs HOST PORT USER DATABASE    (the password in PGPASSWORD)
import { createRequire } from "node:module";
import path from "node:path";

const load = createRequire(path.join(process.env.TESTKIT_CLIENTS, "node/package.json"));
const pg = load("pg");
const Cursor = load("pg-cursor");

const [host, port, user, database] = process.argv.slice(2);
const options = { host, port: Number(port), user, database, password: process.env.PGPASSWORD };

async function tell(name, ask) {
  let answer;
  try {
    answer = await ask();
  } catch (error) {
    answer = { error: error.code ?? String(error) };
  }
  console.log(JSON.stringify({ name, answer }));
}

const client = new pg.Client(options);
await client.connect();
const run = async (text, values) => {
  const { command, rowCount, rows, fields } = await client.query(text, values);
  return { command, rowCount, rows, fields: fields.map((field) => [field.name, field.dataTypeID]) };
};

await tell("types", () => run(
  "SELECT 1::int2 AS a, 2::int4 AS b, 3::int8 AS c, 2.5::float8 AS e, 12.50::numeric(10,2) AS f, true AS g, 'x'::text AS h," +
  " date '2024-02-29' AS i, timestamptz '2024-02-29 12:30:00+00' AS k"));
await tell("rows", () => run("SELECT * FROM drivers.items ORDER BY id"));
await tell("parameters", () => run("SELECT id FROM drivers.items WHERE name = $1 AND id > $2 ORDER BY id", ["b", 0]));
await tell("null", () => run("SELECT $1::text AS v", [null]));
await tell("date", () => run("SELECT $1::timestamptz AS v", [new Date(0)]));
await tell("any", () => run("SELECT id FROM drivers.items WHERE id = ANY($1::int8[]) ORDER BY id", [[1, 3]]));
await tell("any untyped", () => run("SELECT id FROM drivers.items WHERE id = ANY($1) ORDER BY id", [[1, 3]]));
await tell("limit", () => run("SELECT id FROM drivers.items ORDER BY id LIMIT $1", [2]));
await tell("named", async () => {
  const found = [];
  for (const id of [1, 2, 3]) {
    const result = await client.query({ name: "by id", text: "SELECT name FROM drivers.items WHERE id = $1", values: [id] });
    found.push(result.rows);
  }
  return found;
});
await tell("several", async () => (await client.query("SELECT 1 AS a; SELECT 'x' AS b")).map((result) => result.rows));
await tell("error", () => run("SELECT * FROM drivers.nope"));
await tell("after error", () => run("SELECT 1 AS a"));
await tell("bad parameter", () => run("SELECT id FROM drivers.items WHERE id = $1", ["x"]));
await tell("cursor", async () => {
  const cursor = client.query(new Cursor("SELECT id FROM drivers.items ORDER BY id"));
  const parts = [await cursor.read(2), await cursor.read(2), await cursor.read(2)];
  await cursor.close();
  return parts;
});
await tell("empty", () => run(""));
await client.end();

const pool = new pg.Pool({ ...options, max: 3 });
await tell("pool", async () => {
  const results = await Promise.all([1, 2, 3, 4, 5].map((n) => pool.query("SELECT $1::int4 AS n", [n])));
  return results.map((result) => result.rows[0].n);
});
await pool.end();
