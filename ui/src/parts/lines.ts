/** Which rows of a grid are seen, and how to go to others. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { HEAD, heightOf, HIGHEST, LINE, positionFor, positionOf, rowsAt, scrollTopOf } from "./scroll";

interface Seen {
  first: number;
  last: number;
  /** What lies between where rows are, and where they are drawn: 0 unless the scroll bar is scaled. */
  shift: number;
}

export function useLines(count: number) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState<Seen>({ first: 0, last: -1, shift: 0 });
  // A scaled scroll bar is too coarse to tell each position: where it was put, the exact one is held.
  const held = useRef({ top: 0, position: 0 });
  const look = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const { scrollTop, clientHeight } = element;
    if (Math.abs(scrollTop - held.current.top) >= 1) held.current = { top: scrollTop, position: positionOf(scrollTop, count, clientHeight) };
    const { position } = held.current;
    const scaled = heightOf(count) === HIGHEST;
    const [first, last] = rowsAt(scaled ? position : scrollTop, count, clientHeight);
    const shift = scaled ? scrollTop - position : 0;
    setSeen((now) => (now.first === first && now.last === last && now.shift === shift ? now : { first, last, shift }));
  }, [count]);
  const goTo = useCallback(
    (position: number) => {
      const element = box.current;
      if (!element) return;
      element.scrollTop = scrollTopOf(position, count, element.clientHeight);
      held.current = { top: element.scrollTop, position };
      look();
    },
    [count, look],
  );
  useLayoutEffect(() => {
    // More rows move the scroll bar, not what is seen.
    if (heightOf(count) === HIGHEST) goTo(held.current.position);
    else look();
  }, [count, goTo, look]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      if (heightOf(count) < HIGHEST || event.deltaY === 0 || event.ctrlKey || event.shiftKey) return;
      const unit = event.deltaMode === 1 ? LINE : event.deltaMode === 2 ? element.clientHeight : 1;
      const all = HEAD + count * LINE - element.clientHeight;
      const to = Math.max(0, Math.min(all, held.current.position + event.deltaY * unit));
      if (to === held.current.position) return;
      event.preventDefault();
      element.scrollLeft += event.deltaX;
      goTo(to);
    };
    // At once: a frame with the rows of the last one would show a gap.
    const scrolled = () => flushSync(look);
    const sized = new ResizeObserver(look);
    sized.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      sized.disconnect();
      element.removeEventListener("scroll", scrolled);
      element.removeEventListener("wheel", wheel);
    };
  }, [count, goTo, look]);
  const reveal = (row: number) => goTo(positionFor(row, held.current.position, count, box.current?.clientHeight ?? 0));
  return { box, ...seen, reveal };
}
