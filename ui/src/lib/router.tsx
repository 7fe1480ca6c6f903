/** Addresses and pages: the URL holds what a colleague needs to see the same. */

import { type AnchorHTMLAttributes, type MouseEvent, useMemo, useSyncExternalStore } from "react";

const CHANGED = "weir:navigated";

function subscribe(changed: () => void): () => void {
  addEventListener("popstate", changed);
  addEventListener(CHANGED, changed);
  return () => {
    removeEventListener("popstate", changed);
    removeEventListener(CHANGED, changed);
  };
}

const now = () => location.pathname + location.search + location.hash;

/** Goes to an address of this application. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to === now()) return;
  if (options.replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new Event(CHANGED));
}

export function usePlace(): { path: string; search: URLSearchParams; hash: string } {
  const place = useSyncExternalStore(subscribe, now);
  return useMemo(() => {
    const url = new URL(place, location.origin);
    return { path: url.pathname, search: url.searchParams, hash: url.hash.slice(1) };
  }, [place]);
}

/** Changes what stands after `?`; null and "" take a name away. */
export function setSearch(changes: Record<string, string | null>, options: { push?: boolean } = {}): void {
  const search = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") search.delete(name);
    else search.set(name, value);
  }
  const text = search.toString();
  navigate(location.pathname + (text ? `?${text}` : "") + location.hash, { replace: !options.push });
}

/** Returns the parts of a path that fit a pattern such as `/data/:schema/:table`; null when it does not. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/").filter(Boolean);
  const found = path.split("/").filter(Boolean);
  if (wanted.length !== found.length) return null;
  const parts: Record<string, string> = {};
  for (const [i, word] of wanted.entries()) {
    const part = found[i] ?? "";
    if (!word.startsWith(":")) {
      if (word !== part) return null;
      continue;
    }
    try {
      parts[word.slice(1)] = decodeURIComponent(part);
    } catch {
      return null;
    }
  }
  return parts;
}

/** Returns where to go after signing in: only ever within this application. */
export function ownAddress(wanted: string | null, origin: string): string {
  if (!wanted?.startsWith("/")) return "/";
  try {
    const url = new URL(wanted, origin);
    return url.origin === origin ? url.pathname + url.search + url.hash : "/";
  } catch {
    return "/";
  }
}

/** A link within the application; with a modifier it is the browser's. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const go = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  };
  return <a {...rest} href={href} onClick={go} />;
}
