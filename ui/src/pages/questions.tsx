/** All questions one may open. */

import { useState } from "react";
import { useDocuments } from "../lib/documents";
import { ago } from "../lib/format";
import { Link } from "../lib/router";
import { Badge, Empty, Loaded, Said, Text, useTitle } from "../parts/basics";
import { words as w } from "../words";
import { FileProblems } from "./files";

export function Questions() {
  useTitle(w.questions.title);
  const questions = useDocuments("questions");
  const [filter, setFilter] = useState("");
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.questions.title}</h1>
        <Text type="search" aria-label={w.common.filter} placeholder={w.common.filter} style={{ width: 220 }} value={filter} onChange={(event) => setFilter(event.target.value)} />
        <div className="actions">
          <Link className="button" href="/build">
            {w.builder.withoutSql}
          </Link>
          <Link className="button main" href="/ask">
            {w.questions.new}
          </Link>
        </div>
      </div>
      <FileProblems folder="questions" />
      <Loaded of={questions}>
        {(all) => {
          const shown = all.filter((one) => `${one.name} ${one.description} ${one.owner}`.toLowerCase().includes(filter.toLowerCase()));
          if (all.length === 0) {
            return (
              <Empty title={w.questions.empty}>
                <p>{w.questions.emptyText}</p>
                <Link className="button" href="/ask">
                  {w.questions.new}
                </Link>
              </Empty>
            );
          }
          return (
            <div className="scroll card">
              <table className="list">
                <thead>
                  <tr>
                    <th>{w.common.name}</th>
                    <th>{w.questions.owner}</th>
                    <th>{w.questions.changed}</th>
                    <th className="num">{w.questions.version}</th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map((one) => (
                    <tr key={one.id}>
                      <td>
                        <Link href={`/q/${one.id}`}>{one.name}</Link> {one.certified && <Badge look="good">{w.questions.certified}</Badge>}
                        {one.sharing === "private" && <Badge>{w.questions.sharings.private}</Badge>}
                        {one.description && <div className="quiet small"><Said text={one.description} /></div>}
                      </td>
                      <td>{one.owner}</td>
                      <td title={one.updated_at}>{ago(one.updated_at)}</td>
                      <td className="num">{one.version}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Loaded>
    </main>
  );
}
