/** All questions one may open. */

import { useDocuments } from "../lib/documents";
import { ago } from "../lib/format";
import { Link, setSearch, usePlace } from "../lib/router";
import { Badge, Empty, Loaded, Said, Text, useTitle } from "../parts/basics";
import { List } from "../parts/list";
import { words as w } from "../words";
import { FileProblems } from "./files";

export function Questions() {
  useTitle(w.questions.title);
  const questions = useDocuments("questions");
  const { search } = usePlace();
  const filter = search.get("q") ?? "";
  return (
    <main className="page" id="page">
      <div className="head">
        <h1>{w.questions.title}</h1>
        <Text type="search" aria-label={w.common.filter} placeholder={w.common.filter} style={{ width: 220 }} value={filter} onChange={(event) => setSearch({ q: event.target.value })} />
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
            <List
              card
              label={w.questions.title}
              rows={shown}
              keyOf={(one) => one.id}
              columns={[
                {
                  head: w.common.name,
                  cell: (one) => (
                    <>
                      <Link href={`/q/${one.id}`}>{one.name}</Link> {one.certified && <Badge look="good">{w.questions.certified}</Badge>}
                      {one.sharing === "private" && <Badge>{w.questions.sharings.private}</Badge>}
                      {one.description && <div className="quiet small"><Said text={one.description} /></div>}
                    </>
                  ),
                },
                { head: w.questions.owner, cell: (one) => one.owner },
                { head: w.questions.changed, cell: (one) => <span title={one.updated_at}>{ago(one.updated_at)}</span> },
                { head: w.questions.version, number: true, cell: (one) => one.version },
              ]}
            />
          );
        }}
      </Loaded>
    </main>
  );
}
