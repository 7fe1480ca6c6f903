/** A text on a dashboard, as its Markdown says. */

import { Fragment, useMemo } from "react";
import { Link } from "../lib/router";
import { type Block, blocks, type Inline } from "./tile-markdown";

/** Below the tile's own heading, which is of the second level. */
const HEADINGS = { 1: "h3", 2: "h4", 3: "h5" } as const;

export function TileText({ text, framed }: { text: string; /** Whether it is on a page of others: links open elsewhere. */ framed?: boolean }) {
  const found = useMemo(() => blocks(text), [text]);
  return (
    <div className="text">
      {found.map((block, i) => (
        <Shown key={i} block={block} framed={framed} />
      ))}
    </div>
  );
}

function Shown({ block, framed }: { block: Block; framed?: boolean }) {
  switch (block.kind) {
    case "heading": {
      const Heading = HEADINGS[block.level];
      return (
        <Heading>
          <Words of={block.inside} framed={framed} />
        </Heading>
      );
    }
    case "code":
      return <pre>{block.text}</pre>;
    case "list": {
      const Items = block.ordered ? "ol" : "ul";
      return (
        <Items>
          {block.items.map((item, i) => (
            <li key={i}>
              <Words of={item} framed={framed} />
            </li>
          ))}
        </Items>
      );
    }
    default:
      return (
        <p>
          <Words of={block.inside} framed={framed} />
        </p>
      );
  }
}

function Words({ of, framed }: { of: Inline[]; framed?: boolean }) {
  return of.map((one, i) => <Fragment key={i}>{typeof one === "string" ? one : <Marked one={one} framed={framed} />}</Fragment>);
}

function Marked({ one, framed }: { one: Exclude<Inline, string>; framed?: boolean }) {
  if (one.kind === "break") return <br />;
  if (one.kind === "code") return <code>{one.text}</code>;
  const inside = <Words of={one.inside} framed={framed} />;
  if (one.kind !== "link") return one.kind === "bold" ? <strong>{inside}</strong> : <em>{inside}</em>;
  const isOwn = /^\/(?![/\\])/.test(one.href);
  if (isOwn && !framed) return <Link href={one.href}>{inside}</Link>;
  return (
    <a href={one.href} target="_blank" rel="noopener noreferrer">
      {inside}
    </a>
  );
}
