/** Small drawings, in the colour of the text around them. */

const shapes = {
  home: "M3 11 12 4l9 7M5 10v9h14v-9",
  ask: "M4 6h16M4 12h10M4 18h7M17 15l3 3-3 3",
  questions: "M5 4h10l4 4v12H5zM9 12h6M9 16h6",
  dashboards: "M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z",
  data: "M4 6c0-3 16-3 16 0v12c0 3-16 3-16 0zM4 6c0 3 16 3 16 0M4 12c0 3 16 3 16 0",
  events: "M3 12h4l3-8 4 16 3-8h4",
  sources: "M12 3v10M8 9.5l4 4 4-4M4 15v5h16v-5",
  models: "M4 4h6v6H4zM14 14h6v6h-6zM7 10v7h7M10 7h7v7",
  runs: "M12 21a9 9 0 1 1 9-9M12 7v5l3 2M21 17l-3 3-2-2",
  usage: "M5 20V10M12 20V4M19 20v-7",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M8 14v6",
  search: "M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zM15.5 15.5 21 21",
  fold: "M14 6l-6 6 6 6",
  unfold: "M10 6l6 6-6 6",
  close: "M6 6l12 12M18 6 6 18",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  corner: "M20 12v8h-8",
  play: "M7 5v14l11-7z",
  stop: "M6 6h12v12H6z",
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      <path d={shapes[name]} />
    </svg>
  );
}
