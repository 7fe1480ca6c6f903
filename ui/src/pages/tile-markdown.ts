/**
 * The Markdown that texts of tiles may have: headings, lists, bold, italic, code, links. What comes out is a tree of
 * these alone, never markup: HTML stays the text it is.
 */

export type Inline = string | { kind: "bold" | "italic"; inside: Inline[] } | { kind: "code"; text: string } | { kind: "link"; href: string; inside: Inline[] } | { kind: "break" };

export type Block = { kind: "heading"; level: 1 | 2 | 3; inside: Inline[] } | { kind: "paragraph"; inside: Inline[] } | { kind: "list"; ordered: boolean; items: Inline[][] } | { kind: "code"; text: string };

/** Marks inside marks that are read; further ones are text. */
const DEEPEST = 8;

/** Reads a text, line by line. */
export function blocks(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let open: string[] = [];
  const close = () => {
    if (open.length > 0) found.push({ kind: "paragraph", inside: inline(open.join("\n")) });
    open = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (line.startsWith("```")) {
      close();
      const end = lines.indexOf("```", at + 1);
      const last = end < 0 ? lines.length : end;
      found.push({ kind: "code", text: lines.slice(at + 1, last).join("\n") });
      at = last;
      continue;
    }
    const heading = /^(#{1,3}) +(\S.*)$/.exec(line);
    if (heading) {
      close();
      found.push({ kind: "heading", level: (heading[1]?.length ?? 1) as 1 | 2 | 3, inside: inline(heading[2] ?? "") });
      continue;
    }
    const item = /^ {0,3}(?:([-*])|\d{1,9}[.)]) +(\S.*)$/.exec(line);
    if (item) {
      close();
      const ordered = item[1] === undefined;
      const before = found.at(-1);
      const inside = inline(item[2] ?? "");
      // A blank line between two lists keeps them apart.
      if (before?.kind === "list" && before.ordered === ordered && lines[at - 1]?.trim() !== "") before.items.push(inside);
      else found.push({ kind: "list", ordered, items: [inside] });
      continue;
    }
    if (line.trim() === "") close();
    else open.push(line);
  }
  close();
  return found;
}

/** Returns where a link leads, if it is to a page: of the web, or of this application. */
export function address(href: string): string | null {
  if (href === "" || /\s/.test(href)) return null;
  try {
    const { protocol } = new URL(href, "https://weir.invalid/");
    return protocol === "https:" || protocol === "http:" ? href : null;
  } catch {
    return null;
  }
}

const isSpace = (letter: string | undefined) => letter === undefined || /\s/.test(letter);
const isWord = (letter: string | undefined) => letter !== undefined && /[\p{L}\p{N}_]/u.test(letter);

/** Reads marks within a line. */
export function inline(text: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  let plain = "";
  // What is not found behind one place is not behind a later one either: no text takes long.
  const gone = new Set<string>();
  const find = (what: string, from: number): number => {
    if (gone.has(what)) return -1;
    const at = text.indexOf(what, from);
    if (at < 0) gone.add(what);
    return at;
  };
  const put = (one: Inline) => {
    if (plain !== "") found.push(plain);
    plain = "";
    found.push(one);
  };
  /** Reads what stands between two marks; returns where it ends. */
  const between = (at: number, mark: string): number | null => {
    const from = at + mark.length;
    if (depth >= DEEPEST || isSpace(text[from])) return null;
    if (mark === "_" && isWord(text[at - 1])) return null;
    for (let end = find(mark, from + 1), tries = 0; end > 0 && tries < 20; end = find(mark, end + 1), tries += 1) {
      const isDouble = mark === "*" && (text[end + 1] === "*" || text[end - 1] === "*");
      if (isSpace(text[end - 1]) || isDouble || (mark === "_" && isWord(text[end + 1]))) continue;
      put({ kind: mark === "**" ? "bold" : "italic", inside: inline(text.slice(from, end), depth + 1) });
      return end + mark.length;
    }
    return null;
  };
  const link = (at: number): number | null => {
    const middle = find("](", at + 1);
    const end = middle < 0 ? -1 : find(")", middle + 2);
    if (depth >= DEEPEST || end < 0 || middle === at + 1) return null;
    const label = text.slice(at + 1, middle);
    const href = address(text.slice(middle + 2, end));
    if (href === null || label.includes("[") || label.includes("]")) return null;
    put({ kind: "link", href, inside: inline(label, depth + 1) });
    return end + 1;
  };
  for (let at = 0; at < text.length; ) {
    const letter = text[at] ?? "";
    let next: number | null = null;
    if (letter === "\n") {
      put({ kind: "break" });
      next = at + 1;
    } else if (letter === "\\" && /[\\`*_[\]()#-]/.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      next = at + 2;
    } else if (letter === "`") {
      const end = find("`", at + 1);
      if (end > at + 1) {
        put({ kind: "code", text: text.slice(at + 1, end) });
        next = end + 1;
      }
    } else if (letter === "*") {
      next = text[at + 1] === "*" ? between(at, "**") : between(at, "*");
    } else if (letter === "_") next = between(at, "_");
    else if (letter === "[") next = link(at);
    if (next === null) {
      plain += letter;
      at += 1;
    } else at = next;
  }
  if (plain !== "") found.push(plain);
  return found;
}
