import { expect, it } from "vitest";
import { address, blocks, inline } from "./tile-markdown";

it("reads headings, lists, code and paragraphs", () => {
  expect(blocks("# One\ntext\nmore\n\n- a\n- **b**\n1. c\n2) d\n\n```\n# <b>\n```\n### Three")).toEqual([
    { kind: "heading", level: 1, inside: ["One"] },
    { kind: "paragraph", inside: ["text", { kind: "break" }, "more"] },
    { kind: "list", ordered: false, items: [["a"], [{ kind: "bold", inside: ["b"] }]] },
    { kind: "list", ordered: true, items: [["c"], ["d"]] },
    { kind: "code", text: "# <b>" },
    { kind: "heading", level: 3, inside: ["Three"] },
  ]);
  expect(blocks("#not\n-not\n```\nopen")).toEqual([
    { kind: "paragraph", inside: ["#not", { kind: "break" }, "-not"] },
    { kind: "code", text: "open" },
  ]);
});

it("reads bold, italic, code and links", () => {
  expect(inline("a **b *c* d** _e_ `f*g*` [h **i**](/q/1)")).toEqual([
    "a ",
    { kind: "bold", inside: ["b ", { kind: "italic", inside: ["c"] }, " d"] },
    " ",
    { kind: "italic", inside: ["e"] },
    " ",
    { kind: "code", text: "f*g*" },
    " ",
    { kind: "link", href: "/q/1", inside: ["h ", { kind: "bold", inside: ["i"] }] },
  ]);
});

it("leaves what only looks like marks as it is", () => {
  for (const text of ["2 * 3 * 4", "snake_case_name", "**", "****", "* a", "`", "``", "[a](", "[](x)", "[a] (b)", "a_b_", "5 ** 2 ** 1", "<b>bold</b> &amp;", "![x](y z)"]) expect(inline(text), text).toEqual([text]);
  expect(inline("\\*a\\* \\[b\\](c)")).toEqual(["*a* [b](c)"]);
});

it("links lead to pages only, and no markup comes out", () => {
  for (const bad of ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "java\tscript:alert(1)", "\u0001javascript:alert(1)", "data:text/html,<script>", "vbscript:x", "file:///etc/passwd", "blob:https://x/1", "", "a b", "https://[", "mailto:a@b"]) {
    expect(address(bad), bad).toBeNull();
    expect(inline(`[x](${bad})`).every((one) => typeof one === "string"), bad).toBe(true);
  }
  for (const good of ["https://example.com/a?b#c", "http://example.com", "/d/abc", "d/abc", "?tab=t2", "#x"]) expect(address(good)).toBe(good);
  const evil = `<img src=x onerror="window.__xss=1">"'><script>window.__xss=1</script>`;
  expect(blocks(evil)).toEqual([{ kind: "paragraph", inside: [evil] }]);
});

it("no text takes long", () => {
  const began = performance.now();
  for (const part of ["[", "*a", "**a ", "_a", "`", "[a](", "](", "*_", "- [*"]) blocks(part.repeat(50_000));
  expect(performance.now() - began).toBeLessThan(5_000);
});
