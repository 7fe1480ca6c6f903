/** Finding names by parts of them. */

export interface Findable {
  name: string;
  kind: string;
  to: string;
  /** What is said about it: found as well, after names. */
  about?: string;
}

/** What is found in descriptions stands behind what is found in names. */
const ABOUT = 100;

/** Returns how well a name fits: less is better, null is not at all. Each word must be in it. */
export function fit(name: string, words: string[]): number | null {
  const text = name.toLowerCase();
  let score = text.length / 100;
  for (const word of words) {
    const at = text.indexOf(word);
    if (at < 0) return null;
    const before = text[at - 1];
    // A word's beginning is what people type.
    score += at === 0 || before === "." || before === "_" || before === " " ? 0 : 2;
    score += at / 50;
  }
  return score;
}

/** Returns the `most` that fit best; all kinds alike, the first of them in the given order. */
export function find<T extends Findable>(all: T[], text: string, most: number): T[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return all.slice(0, most);
  const found: { score: number; one: T }[] = [];
  for (const one of all) {
    const score = fit(one.name, words);
    if (score !== null) found.push({ score, one });
    else if (one.about) {
      const said = fit(`${one.name} ${one.about}`, words);
      if (said !== null) found.push({ score: said + ABOUT, one });
    }
  }
  return found
    .sort((a, b) => a.score - b.score)
    .slice(0, most)
    .map(({ one }) => one);
}

/** Letters of a word that says something: "how", "of" and the like are in every sentence. */
const TELLING = 4;

/** Returns what has the most of the words that say something, where nothing has all of them: whoever asks in a sentence finds what it is about. */
export function nearest<T extends Findable>(all: T[], text: string, most: number): T[] {
  const words = text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word.length >= TELLING);
  // One of many is found by its name as well.
  const forms = words.map((word) => (word.endsWith("s") ? word.slice(0, -1) : word));
  const found: { has: number; score: number; one: T }[] = [];
  for (const one of all) {
    const scores = forms.flatMap((word) => fit(one.name, [word]) ?? (one.about ? (fit(one.about, [word]) ?? Number.NaN) + ABOUT : Number.NaN)).filter((score) => !Number.isNaN(score));
    if (scores.length > 0) found.push({ has: scores.length, score: scores.reduce((a, b) => a + b, 0), one });
  }
  return found
    .sort((a, b) => b.has - a.has || a.score - b.score)
    .slice(0, most)
    .map(({ one }) => one);
}
