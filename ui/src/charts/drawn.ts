/** What is drawn over a drawing: the ring around the mark one is at, and the names of lines at their ends. */

import { type EChartsType, graphic } from "echarts/core";
import { LED, spread } from "./ends";
import type { Mark } from "./marks";
import { cut, type Look } from "./options";
import { PALETTE, PALETTE_DARK } from "./spec";

type Shape = InstanceType<typeof graphic.Rect>;
type Group = InstanceType<typeof graphic.Group>;

/** What of a series is used here, and what the library gives no types for. */
interface Series {
  subType: string;
  name: string;
  getData(kind?: "edge"): {
    count(): number;
    indexOfRawIndex(index: number): number;
    getItemGraphicEl(index: number): Shape | Group | undefined;
    getLayout(name: string): ArrayLike<number> | undefined;
  };
  coordinateSystem?: { getArea(): { x: number; y: number; width: number; height: number } };
}

const seriesOf = (chart: EChartsType, index: number): Series | undefined => (chart as unknown as { getModel(): { getSeriesByIndex(index: number): Series | undefined } }).getModel().getSeriesByIndex(index);

/** Shapes that a ring is drawn around as they are; what has only a place gets a circle. */
function shapesOf(element: Shape | Group | undefined): Shape[] {
  if (!element) return [];
  const all = element.isGroup ? (element as Group).children() : [element];
  return all.filter((one) => "buildPath" in one && !one.ignore) as Shape[];
}

/** Whether the library draws a mark at all: lines of very many values are thinned. */
export const isDrawn = (chart: EChartsType, mark: Mark): boolean => (seriesOf(chart, mark.series)?.getData(mark.edge ? "edge" : undefined).indexOfRawIndex(mark.dataIndex) ?? -1) >= 0;

/** Where a mark is that has no shape of its own, such as a value of a long line. */
export function pointOf(chart: EChartsType, mark: Mark): [number, number] | null {
  const series = seriesOf(chart, mark.series);
  const data = series?.getData(mark.edge ? "edge" : undefined);
  const inside = data?.indexOfRawIndex(mark.dataIndex) ?? -1;
  const layout = data?.getLayout("points");
  const [x, y] = [layout?.[inside * 2], layout?.[inside * 2 + 1]];
  if (inside >= 0 && x !== undefined && y !== undefined) return [x, y];
  const element = inside >= 0 ? data?.getItemGraphicEl(inside) : undefined;
  if (element) {
    const box = element.getBoundingRect().clone();
    const transform = element.getComputedTransform();
    if (transform) box.applyTransform(transform);
    return [box.x + box.width / 2, box.y + box.height / 2];
  }
  // A line that was thinned lost it: where it would have been.
  const at = Array.isArray(mark.value) ? mark.value : [mark.place, mark.value];
  const found = chart.convertToPixel({ seriesIndex: mark.series }, at as number[]) as unknown;
  return Array.isArray(found) && found.every(Number.isFinite) ? [found[0], found[1]] : null;
}

/** Draws a ring around a mark; returns what takes it away again. */
export function ring(chart: EChartsType, mark: Mark, look: Look): () => void {
  const series = seriesOf(chart, mark.series);
  const data = series?.getData(mark.edge ? "edge" : undefined);
  const inside = data?.indexOfRawIndex(mark.dataIndex) ?? -1;
  const isPoint = series?.subType === "line" || series?.subType === "scatter";
  const shapes = isPoint || inside < 0 ? [] : shapesOf(data?.getItemGraphicEl(inside));
  // Seen on light and on dark: a bright line below a dark one.
  const lines = [
    { stroke: look.sheet, lineWidth: 6 },
    { stroke: look.ink, lineWidth: 2.5 },
  ];
  const made: Shape[] = [];
  const add = (element: Shape) => {
    element.silent = true;
    // Below the tooltip.
    element.z = 50;
    chart.getZr().add(element);
    made.push(element);
  };
  for (const line of lines) {
    const style = { ...line, fill: "none", strokeNoScale: true };
    if (shapes.length > 0) {
      for (const shape of shapes) {
        const copy = graphic.mergePath([shape as never], { style }) as unknown as Shape;
        const transform = shape.getComputedTransform();
        if (transform) copy.setLocalTransform([...transform] as never);
        add(copy);
      }
      continue;
    }
    const point = pointOf(chart, mark);
    if (point) add(new graphic.Circle({ shape: { cx: point[0], cy: point[1], r: 7 }, style }) as unknown as Shape);
  }
  return () => {
    for (const element of made) chart.getZr().remove(element);
  };
}

/** Names each line beside its end, in the order of its series; returns what takes the names away again. */
export function nameEnds(chart: EChartsType, count: number, look: Look): () => void {
  const zr = chart.getZr();
  const colours = look.dark ? PALETTE_DARK : PALETTE;
  const ends: { name: string; colour: string; x: number; y: number; right: number; top: number; bottom: number }[] = [];
  for (let i = 0; i < count; i += 1) {
    const series = seriesOf(chart, i);
    const area = series?.coordinateSystem?.getArea();
    const data = series?.getData();
    const layout = data?.getLayout("points");
    if (!series || !area || !data || !layout) continue;
    for (let at = data.count() - 1; at >= 0; at -= 1) {
      const [x = Number.NaN, y = Number.NaN] = [layout[at * 2], layout[at * 2 + 1]];
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      ends.push({ name: series.name, colour: colours[i % colours.length] ?? look.ink, x, y, right: area.x + area.width, top: area.y, bottom: area.y + area.height });
      break;
    }
  }
  const [first] = ends;
  if (!first) return () => {};
  const heights = spread(ends.map(({ y }) => y), first.top - 8, first.bottom + 8);
  const made = ends.flatMap(({ name, colour, x, y, right }, i) => {
    const at = heights[i] ?? y;
    const far = Math.abs(at - y) > LED || x < right - 1;
    const leader = new graphic.Polyline({ silent: true, z: 5, shape: { points: far ? [[x + 4, y], [right + 8, at], [right + 14, at]] : [[right + 5, at], [right + 14, at]] }, style: { stroke: colour, fill: "none", lineWidth: far ? 1 : 2, opacity: far ? 0.8 : 1 } });
    const text = new graphic.Text({ silent: true, z: 5, style: { text: cut(name), x: right + 18, y: at, verticalAlign: "middle", fill: look.ink, fontSize: 11.5, fontFamily: "system-ui, sans-serif", width: Math.max(20, chart.getWidth() - right - 22), overflow: "truncate" } });
    return [leader, text];
  });
  for (const one of made) zr.add(one);
  return () => {
    for (const one of made) zr.remove(one);
  };
}
