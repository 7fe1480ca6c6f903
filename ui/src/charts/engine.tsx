/** The drawing library, loaded when the first chart is. */

import { BarChart, BoxplotChart, FunnelChart, HeatmapChart, LineChart, MapChart, PieChart, SankeyChart, ScatterChart } from "echarts/charts";
import { GeoComponent, GridComponent, LegendComponent, MarkAreaComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, setPlatformAPI, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef, useState } from "react";
import { useDark } from "../lib/theme";
import type { Column, Row } from "../lib/rows";
import { words as w } from "../words";
import { Empty } from "../parts/basics";
import { countryName, globeColumns } from "./kinds";
import { options } from "./options";
import { picked } from "./pick";
import type { ChartSpec } from "./spec";

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
  /** Told the value that was clicked, as the data has it. */
  onPick?: (value: string) => void;
}

const noneIs = (countries: ReadonlySet<string>, rows: Row[], at: number) => !rows.some((row) => row[at] !== null && countries.has(countryName(String(row[at]))));

export default function Engine({ spec, columns, rows, title, at, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const dark = useDark();
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
    const made = fitting();
    if (!made) return;
    const chart = init(element, null, { renderer: "svg" });
    chart.setOption(made as Parameters<typeof chart.setOption>[0]);
    if (onPick) {
      chart.on("click", ({ name, dataIndex, value }) => {
        const found = picked(spec, columns, rows, at, { name: String(name), dataIndex, value });
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
      if (chart.getWidth() === element.clientWidth && chart.getHeight() === element.clientHeight) return;
      const { xAxis, legend, series } = fitting() ?? {};
      // How names stand along the axis or beside a pie depends on the room.
      const told = spec.kind === "pie" ? { legend, series } : xAxis ? { xAxis } : null;
      if (chart.getWidth() !== element.clientWidth && told) chart.setOption(told as Parameters<typeof chart.setOption>[0]);
      chart.resize();
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.dispose();
    };
  }, [spec, columns, rows, dark, onPick, ready, lost, at]);
  // A map of nothing would look as if there were nothing.
  if (lost)
    return (
      <div className="message">
        <Empty title={w.chart.nowhere(spec.x ?? "")}>{w.chart.nowhereHint}</Empty>
      </div>
    );
  return <div ref={box} role="img" aria-label={`${title}: ${w.chart.described(w.chart.kinds[spec.kind], String(rows.length))}`} />;
}
