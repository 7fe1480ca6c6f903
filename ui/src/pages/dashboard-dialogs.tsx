/** What a dashboard is changed with: choosing questions, making filters and tabs, giving links away. */

import { useState } from "react";
import { type Parameter, useDocuments } from "../lib/documents";
import { Button, Choice, Dialog, Empty, Field, Loaded, Text } from "../parts/basics";
import { words as w } from "../words";
import { type Filter, offeredFilters, setBy } from "./board";
import { FilterInput } from "./dashboard-filter";

export function PickQuestion({ onPick, onClose }: { onPick(id: string, title: string): void; onClose(): void }) {
  const questions = useDocuments("questions");
  const [filter, setFilter] = useState("");
  return (
    <Dialog title={w.dashboards.addQuestion} onClose={onClose}>
      <div className="stack">
        <Text type="search" aria-label={w.common.filter} placeholder={w.common.filter} autoFocus value={filter} onChange={(event) => setFilter(event.target.value)} />
        <Loaded of={questions}>
          {(all) =>
            all.length === 0 ? (
              <Empty title={w.questions.empty}>{w.questions.emptyText}</Empty>
            ) : (
              <ul>
                {all
                  .filter((one) => one.name.toLowerCase().includes(filter.toLowerCase()))
                  .map((one) => (
                    <li key={one.id}>
                      <Button look="plain" onClick={() => onPick(one.id, one.name)}>
                        {one.name}
                      </Button>
                    </li>
                  ))}
              </ul>
            )
          }
        </Loaded>
        <div>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </div>
    </Dialog>
  );
}

const FILTER_TYPES = (["text", "number", "date", "date_range", "timestamp", "boolean"] as const).map((type) => [type, w.filters.types[type]] as const);

export function NewFilter({ parameters, there, onMake, onClose }: { /** What the questions on the dashboard take. */ parameters: Parameter[]; there: Filter[]; onMake(filter: Filter): void; onClose(): void }) {
  const offers = offeredFilters(parameters, there);
  const [filter, setFilter] = useState<Filter>({ name: "", type: "text" });
  const isRange = filter.type === "date_range";
  const named = filter.name !== "";
  const taken = Object.values(setBy(filter)).some((name) => parameters.some((one) => one.name === name));
  const sets = isRange && named ? w.filters.sets(`{{${filter.name}_from}}`, `{{${filter.name}_to}}`) : undefined;
  return (
    <Dialog title={w.dashboards.addFilter} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onMake(filter);
        }}
      >
        {offers.length > 0 ? (
          <div className="stack tight">
            <span className="legend">{w.filters.offered}</span>
            <div className="row wrap">
              {offers.map((offer) => (
                <Button key={offer.name} aria-pressed={filter.name === offer.name} onClick={() => setFilter({ ...offer, label: filter.label })}>
                  {offer.name} <small className="quiet">{w.filters.types[offer.type]}</small>
                </Button>
              ))}
            </div>
          </div>
        ) : (
          <p className="note">{parameters.length === 0 ? w.filters.noParameters : w.filters.allTaken}</p>
        )}
        <Field label={isRange ? w.filters.name : w.dashboards.filterName} hint={named && !taken ? [sets, w.filters.nobodyTakes].filter(Boolean).join(" ") : sets}>
          <Text required autoFocus pattern="[A-Za-z_][A-Za-z0-9_]*" value={filter.name} onChange={(event) => setFilter({ ...filter, name: event.target.value })} />
        </Field>
        <Field label={w.filters.label}>
          <Text value={filter.label ?? ""} placeholder={filter.name} onChange={(event) => setFilter({ ...filter, label: event.target.value })} />
        </Field>
        <Field label={w.data.type}>
          <Choice value={filter.type} options={FILTER_TYPES} onChange={(type) => setFilter({ ...filter, type, default: undefined, values: undefined })} />
        </Field>
        <FilterInput filter={{ ...filter, label: w.filters.default, default: undefined }} value={filter.default ?? ""} onChange={(value) => setFilter({ ...filter, default: value || undefined })} />
        {!isRange && (
          <Field label={w.values.from} hint={w.values.hint}>
            <textarea className="input mono" value={filter.values ?? ""} onChange={(event) => setFilter({ ...filter, values: event.target.value || undefined })} />
          </Field>
        )}
        <div className="row">
          <Button look="main" type="submit">
            {w.dashboards.addFilter}
          </Button>
          <Button onClick={onClose}>{w.common.cancel}</Button>
        </div>
      </form>
    </Dialog>
  );
}
