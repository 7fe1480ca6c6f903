/** Taking an answer elsewhere: links, files. */

import { api, ApiError, path, send } from "../lib/api";
import type { ResultInfo } from "../lib/rows";
import { copy, Menu } from "../parts/basics";
import { toast } from "../parts/toasts";
import { words as w } from "../words";
import { frozenLink, type LookedAt } from "./share-link";

interface ShareProps {
  link?: () => string;
  result?: ResultInfo;
  question?: string;
  /** How the answer is looked at: whoever opens the link sees the same. */
  shown?: LookedAt;
}

export function ShareMenu({ link, result, question, shown }: ShareProps) {
  const freeze = async () => {
    if (!result) return;
    // What somebody has a link to does not expire.
    try {
      await api("PUT", path`/api/v1/results/${result.id}/pinned`, { pinned: true });
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error));
      return;
    }
    await copy(location.origin + frozenLink(result.id, shown ?? {}));
  };
  const items = [];
  if (link) items.push({ text: w.ask.shareUnsaved, hint: w.ask.shareUnsavedHint, act: () => void copy(link()) });
  if (question) items.push({ text: w.ask.shareQuestion, act: () => void copy(`${location.origin}/q/${question}`) });
  items.push({
    text: w.ask.shareResult,
    hint: w.ask.shareResultHint,
    why: !result ? w.ask.emptyTitle : result.private ? w.ask.private : null,
    act: () => void freeze(),
  });
  return <Menu label={w.ask.share} items={items} />;
}

const FORMATS = [
  ["csv", "CSV"],
  ["xlsx", "XLSX"],
  ["parquet", "Parquet"],
  ["json", "JSON"],
  ["arrow", "Arrow"],
] as const;

function download(address: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

/** Downloads a workbook, or says why there is none: what a link gets that is no file, browsers show to nobody. */
async function downloadBook(address: string): Promise<void> {
  const asked = new AbortController();
  try {
    await send("GET", address, undefined, asked.signal);
  } catch (error) {
    const hint = error instanceof ApiError ? error.hint : undefined;
    toast([error instanceof Error ? error.message : String(error), hint].filter(Boolean).join(". "));
    return;
  } finally {
    // The link asks by itself: what it gets goes to the disk as it comes.
    asked.abort();
  }
  download(address);
}

export function DownloadMenu({ result, sql }: { result?: ResultInfo; sql: string }) {
  const items = FORMATS.map(([format, name]) => ({
    text: w.ask.downloadAs(name),
    // Workbooks are made of answers that were kept.
    why: format === "xlsx" && !result ? w.ask.emptyTitle : null,
    act: () => {
      const kept = result && `${path`/api/v1/results/${result.id}/rows`}?format=${format}`;
      if (kept && format === "xlsx") void downloadBook(kept);
      else if (kept) download(kept);
      else download(`/api/v1/query?${new URLSearchParams({ sql, format })}`);
    },
  }));
  return <Menu label={w.ask.download} items={items} />;
}
