/** Going through a drawing by keys: where one is, and that it is seen. */

import type { EChartsType } from "echarts/core";
import { isDrawn, pointOf, ring } from "./drawn";
import { type Mark, sameMark, walked } from "./marks";
import type { Look } from "./options";

export class Walk {
  at: Mark | null = null;
  private known: Mark[] | null = null;
  private undraw = () => {};

  constructor(
    private readonly chart: EChartsType,
    private readonly list: () => Mark[],
    private readonly look: Look,
  ) {}

  /** Found when the first key asks: most drawings are only looked at. */
  private get marks(): Mark[] {
    this.known ??= this.list();
    return this.known;
  }

  /** Goes where a key leads; null for a key that leads nowhere. */
  go(key: string): Mark | null {
    const next = walked(this.marks, this.at, key);
    if (next) this.show(next);
    return next;
  }

  /** Goes on where one was in the drawing before this one. */
  takeOver(before: Walk | null): void {
    const found = before?.at ? sameMark(this.marks, before.at) : null;
    if (found) this.show(found);
  }

  /** Shows it once more, in a drawing of another size. */
  again(): void {
    if (this.at) this.show(this.at);
  }

  leave(): void {
    this.hide();
    if (this.at) {
      this.chart.dispatchAction({ type: "hideTip" });
      this.chart.dispatchAction({ type: "updateAxisPointer", currTrigger: "leave" });
    }
    this.at = null;
  }

  private hide(): void {
    this.undraw();
    this.undraw = () => {};
    if (this.at) this.chart.dispatchAction({ type: "downplay", ...address(this.at) });
  }

  private show(mark: Mark): void {
    this.hide();
    this.at = mark;
    this.chart.dispatchAction({ type: "highlight", ...address(mark) });
    const point = pointOf(this.chart, mark);
    // Of flows, and of values that a long line was thinned by, the library has no tooltip of its own.
    if ((mark.edge || !isDrawn(this.chart, mark)) && point) this.chart.dispatchAction({ type: "showTip", x: point[0], y: point[1], tooltip: { content: mark.text, formatter: () => mark.text } });
    else this.chart.dispatchAction({ type: "showTip", ...address(mark) });
    this.undraw = ring(this.chart, mark, this.look);
  }
}

const address = (mark: Mark) => ({ seriesIndex: mark.series, dataIndex: mark.dataIndex, ...(mark.edge ? { dataType: "edge" } : {}) });
