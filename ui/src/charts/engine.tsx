/** The drawing library, loaded when the first chart is. */

import { BarChart, BoxplotChart, FunnelChart, HeatmapChart, LineChart, MapChart, PieChart, SankeyChart, ScatterChart } from "echarts/charts";
import { GeoComponent, GridComponent, LegendComponent, MarkAreaComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, setPlatformAPI, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useDark } from "../lib/theme";
import type { Column, Row } from "../lib/rows";
import { words as w } from "../words";
import { Empty } from "../parts/basics";
import { nameEnds } from "./drawn";
import { countryName, globeColumns, plainName } from "./kinds";
import { marksOf } from "./marks";
import { direct, options, timeFacts } from "./options";
import { picked, type Picks } from "./pick";
import type { ChartSpec } from "./spec";
import { Walk } from "./walk";

use([
  BarChart, BoxplotChart, FunnelChart, HeatmapChart, LineChart, MapChart, PieChart, SankeyChart, ScatterChart,
  GeoComponent, GridComponent, LegendComponent, MarkAreaComponent, TooltipComponent, VisualMapComponent, SVGRenderer,
]);

// The library takes the width of 国 for the height of a line: where no font has it, lines would lie over each other.
const pen = document.createElement("canvas").getContext("2d");
setPlatformAPI({
  measureText(text, font = "12px sans-serif") {
    const size = Number.parseFloat(/([\d.]+)px/.exec(font)?.[1] ?? "12");
    if (text === "国") return { width: size };
    if (!pen) return { width: text.length * size * 0.55 };
    if (pen.font !== font) pen.font = font;
    return pen.measureText(text);
  },
});

let known: ReturnType<typeof probed> | undefined;

/** The colours of the page: asked once, as each asking has the browser lay out the whole page. */
function look(dark: boolean) {
  if (known?.dark !== dark) known = probed(dark);
  return known;
}

function probed(dark: boolean) {
  // What the page computes for an element that has the variable as its colour.
  const probe = document.createElement("i");
  document.body.append(probe);
  const colour = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = { dark, ink: colour("--ink"), quiet: colour("--quiet"), line: colour("--line"), sheet: colour("--sheet") };
  probe.remove();
  return found;
}

interface Props {
  spec: ChartSpec;
  columns: Column[];
  rows: Row[];
  title: string;
  /** When the answer was made: by then the last period may not have been over. */
  at: number;
  /** Told the value that was chosen, as the data has it; null to choose none. Says what came of it. */
  onPick?: Picks;
}

const noneIs = (countries: ReadonlySet<string>, rows: Row[], at: number) => !rows.some((row) => row[at] !== null && countries.has(countryName(String(row[at]))));

export default function Engine({ spec, columns, rows, title, at, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const dark = useDark();
  // How keys go through the drawing there is; another one begins where the last one was left.
  const walk = useRef<Walk | null>(null);
  const [told, setTold] = useState("");
  const [ready, setReady] = useState(spec.kind !== "map");
  const [countries, setCountries] = useState<ReadonlySet<string> | null>(null);
  const lost = spec.kind === "map" && countries !== null && !globeColumns(columns) && noneIs(countries, rows, columns.findIndex((column) => column.name === spec.x));
  useEffect(() => {
    if (spec.kind !== "map") return setReady(true);
    let here = true;
    setReady(false);
    void import("./world").then((world) => {
      if (!here) return;
      setCountries(world.countries);
      setReady(true);
    });
    return () => {
      here = false;
    };
  }, [spec.kind]);
  useEffect(() => {
    const element = box.current;
    if (!element || !ready) return;
    const fitting = () => options(spec, columns, rows, look(dark), at, element.clientWidth || undefined, element.clientHeight || undefined);
    let made = fitting();
    if (!made) return;
    const chart = init(element, null, { renderer: "svg" });
    chart.setOption(made as Parameters<typeof chart.setOption>[0]);
    const own = new Walk(chart, () => (made ? marksOf(spec, made, timeFacts(spec, columns, rows, at).open) : []), look(dark));
    own.takeOver(walk.current);
    walk.current = own;
    const name = () => {
      const names = ((made?.series ?? []) as { name?: string }[]).map((one) => one.name ?? "");
      return direct(spec, names, element.clientWidth, element.clientHeight) ? nameEnds(chart, names.length, look(dark)) : () => {};
    };
    let unname = name();
    if (onPick) {
      chart.on("click", (event) => {
        const { name, dataIndex, value, dataType, data } = event as typeof event & { dataType?: string; data?: { source?: string } };
        const found = picked(spec, columns, rows, at, { name: dataType === "edge" ? String(data?.source) : String(name), dataIndex, value });
        if (found !== null) onPick(found);
      });
    }
    // A click on the legend shows one series alone, and all of them again.
    let alone: string | null = null;
    chart.on("legendselectchanged", (event) => {
      const { name, selected } = event as unknown as { name: string; selected: Record<string, boolean> };
      alone = alone === name ? null : name;
      for (const other of Object.keys(selected)) chart.dispatchAction({ type: alone === null || other === alone ? "legendSelect" : "legendUnSelect", name: other });
    });
    // The first call only tells the size it was drawn in: drawing it again would double the work.
    const resized = new ResizeObserver(() => {
      const [wider, higher] = [chart.getWidth() !== element.clientWidth, chart.getHeight() !== element.clientHeight];
      if (!wider && !higher) return;
      made = fitting();
      const { xAxis, legend, series, grid } = made ?? {};
      unname();
      // How names stand along the axis, at lines' ends or beside a pie depends on the room.
      const fresh = spec.kind === "pie" ? { legend, series } : xAxis ? { xAxis, legend, grid } : null;
      if (fresh) chart.setOption(fresh as Parameters<typeof chart.setOption>[0]);
      chart.resize();
      unname = name();
      own.again();
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.dispose();
    };
  }, [spec, columns, rows, dark, onPick, ready, lost, at]);
  const keys = (event: KeyboardEvent) => {
    const mark = walk.current?.at;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") {
      if (onPick?.(null) === "cleared") setTold(w.chart.unfiltered);
      else if (mark) {
        walk.current?.leave();
        setTold("");
      } else return;
    } else if (mark && onPick && (event.key === "Enter" || event.key === " ")) {
      const value = picked(spec, columns, rows, at, mark);
      setTold(value === null ? w.chart.notPicked(mark.text) : onPick(value) === "cleared" ? w.chart.unfiltered : w.chart.filtered(plainName(mark.name) || value));
    } else {
      const next = walk.current?.go(event.key);
      if (!next) return;
      setTold(next.text);
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const left = () => {
    walk.current?.leave();
    setTold("");
  };
  // A map of nothing would look as if there were nothing.
  if (lost)
    return (
      <div className="message">
        <Empty title={w.chart.nowhere(spec.x ?? "")}>{w.chart.nowhereHint}</Empty>
      </div>
    );
  return (
    // biome-ignore lint: a drawing is walked through by keys
    <div className="walk" role="application" aria-roledescription={w.chart.one} aria-label={title} aria-describedby={`${id}keys`} tabIndex={0} onKeyDown={keys} onBlur={left}>
      <div ref={box} role="img" aria-label={`${title}: ${w.chart.described(w.chart.kinds[spec.kind], String(rows.length))}`} />
      <span id={`${id}keys`} className="hidden">
        {onPick ? `${w.chart.keys} ${w.chart.keysPick}` : w.chart.keys}
      </span>
      <span className="hidden" aria-live="polite">
        {told}
      </span>
    </div>
  );
}
