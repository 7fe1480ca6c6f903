/** How wide text is: fonts differ between machines, and scripts by twice as much. */

/** What a letter is wide, about, where nothing measures. */
const LETTER = 0.56;

let pen: CanvasRenderingContext2D | null | undefined;
let family = "";

/** Returns the width of text in pixels, in the page's font. */
export function textWidth(text: string, font: string): number {
  if (pen === undefined) {
    pen = typeof document === "undefined" ? null : document.createElement("canvas").getContext("2d");
    if (pen) family = getComputedStyle(document.documentElement).fontFamily || "sans-serif";
  }
  if (!pen) return text.length * Number.parseFloat(/([\d.]+)px/.exec(font)?.[1] ?? "13") * LETTER;
  pen.font = `${font} ${family}`;
  return pen.measureText(text).width;
}
