/** SQL in a tidy form; the library comes when it is first needed. */

export async function tidy(sql: string): Promise<string> {
  const { formatDialect, postgresql } = await import("sql-formatter");
  return formatDialect(sql, {
    dialect: postgresql,
    tabWidth: 2,
    keywordCase: "preserve",
    paramTypes: { numbered: ["$"], custom: [{ regex: String.raw`\{\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}\}` }] },
  });
}
