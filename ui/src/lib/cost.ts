/** What queries and storage may cost, by two prices that somebody names: a guess, and said to be one. */

export interface Prices {
  /** For an hour of queries, by the clock; null where nobody named one. */
  hour: number | null;
  /** For a gigabyte that is stored for a month. */
  gigabyte: number | null;
}

/** Reads a price; whatever is no number of 0 or more is none. */
export function price(text: string | null): number | null {
  if (text === null || text.trim() === "") return null;
  const value = Number(text.replace(",", "."));
  return Number.isFinite(value) && value >= 0 ? value : null;
}

export const ofQueries = (elapsedMs: number, { hour }: Prices): number | null => (hour === null ? null : (elapsedMs / 3_600_000) * hour);

export const ofStorage = (bytes: number, { gigabyte }: Prices): number | null => (gigabyte === null ? null : (bytes / 1e9) * gigabyte);

const fine = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });
const plain = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** Writes an amount without a currency: whoever named the prices knows it. */
export const amount = (value: number | null): string => (value === null ? "" : `≈ ${value >= 0.1 || value === 0 ? plain.format(value) : fine.format(value)}`);
