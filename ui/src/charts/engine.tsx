/** The drawing library, loaded when the first chart is. */

import { BarChart, FunnelChart, HeatmapChart, LineChart, PieChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { useDark } from "../lib/theme";
import type { Column, Row } from "../lib/rows";
import { words as w } from "../words";
import { options } from "./options";
import type { ChartSpec } from "./spec";

use([BarChart, FunnelChart, HeatmapChart, LineChart, PieChart, ScatterChart, GridComponent, LegendComponent, TooltipComponent, VisualMapComponent, SVGRenderer]);

function look(dark: boolean) {
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

export default function Engine({ spec, columns, rows, title, onPick }: { spec: ChartSpec; columns: Column[]; rows: Row[]; title: string; onPick?: (name: string) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const dark = useDark();
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = options(spec, columns, rows, look(dark));
    if (!made) return;
    const chart = init(element, null, { renderer: "svg" });
    chart.setOption(made as Parameters<typeof chart.setOption>[0]);
    if (onPick) chart.on("click", (event) => onPick(String(event.name)));
    const resized = new ResizeObserver(() => chart.resize());
    resized.observe(element);
    return () => {
      resized.disconnect();
      chart.dispose();
    };
  }, [spec, columns, rows, dark, onPick]);
  return <div ref={box} role="img" aria-label={`${title}: ${w.chart.described(w.chart.kinds[spec.kind], String(rows.length))}`} />;
}
