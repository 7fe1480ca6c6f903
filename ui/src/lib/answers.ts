/** Which of somebody's answers are told again. */

import { OWN, type ResultInfo } from "./rows";

/** Answers that are told. */
const TOLD = 8;

/** Returns the newest answer to each of what was asked last; what the application asked by itself is left out. */
export function latest<R extends Pick<ResultInfo, "sql" | "params" | "question">>(results: readonly R[], most = TOLD): R[] {
  const seen = new Set<string>();
  return results
    .filter(({ sql, params, question }) => {
      const asked = JSON.stringify([question ?? sql, params]);
      if (sql.startsWith(OWN) || seen.has(asked)) return false;
      seen.add(asked);
      return true;
    })
    .slice(0, most);
}
