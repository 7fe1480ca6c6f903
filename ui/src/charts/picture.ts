/** Charts as files. */

/** How many points of a picture there are to each on the page. */
const SCALE = 2;

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file's name from a title in any script. */
const fileName = (title: string, kind: string) => `${title.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 80) || "chart"}.${kind}`;

/** Returns the drawing as it stands on the page, with the page's ground behind it. */
function drawing(box: Element): { text: string; width: number; height: number } | null {
  const shown = box.querySelector("svg");
  if (!shown) return null;
  const { width, height } = shown.getBoundingClientRect();
  const copy = shown.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", getComputedStyle(box.closest(".tile, .answer, .card") ?? document.documentElement).backgroundColor);
  copy.prepend(ground);
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

/** Saves rows for spreadsheets, which take a file without its mark for one of another alphabet. */
export const saveCsv = (text: string, title: string): void => save(new Blob(["\ufeff", text], { type: "text/csv" }), fileName(title, "csv"));

export function saveSvg(box: Element, title: string): void {
  const made = drawing(box);
  if (made) save(new Blob([made.text], { type: "image/svg+xml" }), fileName(title, "svg"));
}

export async function savePng(box: Element, title: string): Promise<void> {
  const made = drawing(box);
  if (!made) return;
  const image = new Image();
  const address = URL.createObjectURL(new Blob([made.text], { type: "image/svg+xml" }));
  image.src = address;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(made.width * SCALE);
  canvas.height = Math.round(made.height * SCALE);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(address);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob) save(blob, fileName(title, "png"));
}
