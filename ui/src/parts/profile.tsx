/** What a column holds: of the rows that are here, and saying how many those are. */

import { useMemo } from "react";
import { cell, compact, count, isNumber, ratio } from "../lib/format";
import { profileOf } from "../lib/profile";
import type { Row } from "../lib/rows";
import type { Order } from "../lib/sorting";
import { words as w } from "../words";
import { Button, Dialog } from "./basics";
import type { RowSource } from "./grid";
import { Meter } from "./list";
import { loadedOf } from "./ordered";

interface Props {
  source: RowSource;
  column: number;
  order: Order | null;
  onOrder(order: Order | null): void;
  onFit(): void;
  onClose(): void;
}

export function ColumnProfile({ source, column, order, onOrder, onFit, onClose }: Props) {
  const { name = "", type = "text" } = source.columns[column] ?? {};
  const loaded = loadedOf(source);
  const made = useMemo(() => {
    const rows: Row[] = [];
    for (let i = 0; i < loaded; i += 1) {
      const row = source.row(i);
      if (row) rows.push(row);
    }
    return profileOf(rows, column, type);
  }, [source, loaded, column, type]);
  const facts: [string, string][] = [
    [w.grid.nulls, made.rows > 0 ? `${count(made.nulls)} (${ratio(made.nulls / made.rows)})` : count(made.nulls)],
    ...made.boundless.map((one): [string, string] => [String(one.value), `${count(one.count)} (${ratio(one.count / made.rows)})`]),
    [w.grid.distinct, count(made.distinct)],
    [w.grid.min, cell(made.min, type)],
    [w.grid.max, cell(made.max, type)],
  ];
  const sorts: [string, Order | null][] = [
    [w.grid.up, { column, down: false }],
    [w.grid.down, { column, down: true }],
    [w.grid.unsorted, null],
  ];
  const isNow = (wanted: Order | null) => (wanted === null ? order?.column !== column : order?.column === column && order.down === wanted.down);
  const most = made.top[0]?.count ?? 0;
  return (
    <Dialog title={name} onClose={onClose}>
      <div className="stack">
        <p className="quiet small">
          {type} · {made.rows < source.count ? w.grid.ofLoaded(count(made.rows), count(source.count)) : w.grid.ofAll(count(made.rows))}
        </p>
        <dl className="facts">
          {facts.map(([title, text]) => (
            <div key={title}>
              <dt>{title}</dt>
              <dd className="clip" title={text}>
                {text}
              </dd>
            </div>
          ))}
        </dl>
        {made.bins.length > 1 && <Histogram bins={made.bins} />}
        {made.top.length > 0 && (
          <table className="list frequent" aria-label={w.grid.top}>
            <thead>
              <tr>
                <th>{w.grid.top}</th>
                <th className="num" style={{ width: 90 }}>{w.grid.rows}</th>
                <th style={{ width: 120 }}>
                  <span className="hidden">{w.usage.share}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {made.top.map((one) => (
                <tr key={JSON.stringify(one.value)}>
                  <td className={isNumber(type) ? "num" : undefined}>
                    <div className="clip" title={cell(one.value, type)}>{cell(one.value, type)}</div>
                  </td>
                  <td className="num">{count(one.count)}</td>
                  <td>
                    <Meter part={one.count} of={most} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <div className="row wrap">
          {sorts.map(([text, wanted]) => (
            <Button
              key={text}
              aria-pressed={isNow(wanted)}
              onClick={() => {
                onOrder(wanted);
                onClose();
              }}
            >
              {text}
            </Button>
          ))}
          <Button
            onClick={() => {
              onFit();
              onClose();
            }}
          >
            {w.grid.fit}
          </Button>
          <Button onClick={onClose}>{w.common.close}</Button>
        </div>
      </div>
    </Dialog>
  );
}

function Histogram({ bins }: { bins: { from: number; to: number; count: number }[] }) {
  const most = Math.max(...bins.map((bin) => bin.count));
  const [first, last] = [bins[0], bins.at(-1)];
  return (
    <div role="img" aria-label={w.grid.spread(compact(first?.from ?? 0), compact(last?.to ?? 0))}>
      <div className="bins">
        {bins.map((bin) => (
          <i key={bin.from} style={{ height: `${(bin.count / most) * 100}%` }} title={`${compact(bin.from)} – ${compact(bin.to)}: ${count(bin.count)}`} />
        ))}
      </div>
      <div className="row small quiet">
        <span>{compact(first?.from ?? 0)}</span>
        <span className="grow" />
        <span>{compact(last?.to ?? 0)}</span>
      </div>
    </div>
  );
}
