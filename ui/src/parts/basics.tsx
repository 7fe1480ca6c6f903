/** What every page is made of: buttons, fields, dialogs, menus, tabs, and the three states of not having data. */

import { type ButtonHTMLAttributes, cloneElement, type InputHTMLAttributes, isValidElement, type ReactNode, useCallback, useEffect, useId, useRef, useState } from "react";
import { ApiError } from "../lib/api";
import { words as w } from "../words";
import { toast } from "./toasts";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: "main" | "plain" | "danger";
  /** Why it cannot be pressed; shown, and read out. */
  why?: string | false | null;
};

export function Button({ look, why, className, disabled, onClick, ...rest }: ButtonProps) {
  const classes = ["button", look, className].filter(Boolean).join(" ");
  // Not `disabled`: who cannot press it must still be able to find out why.
  return (
    <button
      type="button"
      {...rest}
      className={classes}
      disabled={disabled}
      aria-disabled={why ? true : undefined}
      title={why || rest.title}
      onClick={(event) => {
        if (why) {
          event.preventDefault();
          toast(why);
        } else onClick?.(event);
      }}
    />
  );
}

/** An input with its name above it; a hint is read out after it, and is no part of the name. */
export function Field({ label, hint, children }: { label: string; hint?: string; children: ReactNode }) {
  const id = useId();
  const inside = hint && isValidElement<{ "aria-describedby"?: string }>(children) ? cloneElement(children, { "aria-describedby": id }) : children;
  return (
    <div className="field">
      <label className="field">
        <span>{label}</span>
        {inside}
      </label>
      {hint && (
        <span id={id} className="small">
          <Said text={hint} />
        </span>
      )}
    </div>
  );
}

export function Text(props: InputHTMLAttributes<HTMLInputElement>) {
  return <input autoComplete="off" spellCheck={false} {...props} className="input" />;
}

export function Choice<T extends string>({ value, options, onChange, label, disabled, "aria-describedby": described }: { value: T; options: readonly (readonly [T, string])[]; onChange(value: T): void; label?: string; disabled?: boolean; "aria-describedby"?: string }) {
  return (
    <select className="input" aria-label={label} aria-describedby={described} value={value} disabled={disabled} onChange={(event) => onChange(event.target.value as T)}>
      {options.map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  );
}

export function Dialog({ title, wide, onClose, children }: { title: string; wide?: boolean; onClose(): void; children: ReactNode }) {
  const box = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = box.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog
      ref={box}
      className={wide ? "wide" : undefined}
      aria-labelledby={heading}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === box.current) onClose();
      }}
    >
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  );
}

export interface MenuItem {
  text: string;
  hint?: string;
  why?: string | false | null;
  act(): void;
}

/** A button with choices below it. */
export function Menu({ label, name, items, look }: { label: string; /** What it is of, where several say the same. */ name?: string; items: MenuItem[]; look?: "plain" }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLButtonElement>(".sheet button:not(:disabled)")?.focus({ preventScroll: true });
    const close = (event: Event) => {
      // A window that is resized is no node, and holds none.
      if (!(event.target instanceof Node && box.current?.contains(event.target))) setOpen(false);
    };
    // It stays where it was opened: what carries its button away closes it.
    const carried = (event: Event) => {
      if (event.target instanceof Node && event.target.contains(box.current)) setOpen(false);
    };
    addEventListener("pointerdown", close);
    addEventListener("scroll", carried, true);
    addEventListener("resize", close);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("scroll", carried, true);
      removeEventListener("resize", close);
    };
  }, [open]);
  // Where the window is, not where the button's box is: what scrolls would cut it off.
  const place = () => {
    const rect = box.current?.getBoundingClientRect();
    if (!rect) return undefined;
    const above = rect.bottom + 40 * items.length + 24 > innerHeight && rect.top > innerHeight / 2;
    const right = Math.max(8, Math.min(innerWidth - rect.right, innerWidth - 256));
    return above ? { right, bottom: innerHeight - rect.top + 4 } : { right, top: rect.bottom + 4 };
  };
  const keys = (event: React.KeyboardEvent) => {
    const all = [...(box.current?.querySelectorAll<HTMLButtonElement>(".sheet button:not(:disabled)") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    if (event.key === "Escape") {
      setOpen(false);
      box.current?.querySelector<HTMLButtonElement>("button")?.focus();
    } else if (event.key === "ArrowDown") all[(at + 1) % all.length]?.focus();
    else if (event.key === "ArrowUp") all[(at - 1 + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <div className="menu" ref={box} onKeyDown={open ? keys : undefined}>
      <Button look={look} aria-label={name} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>
        {label}
      </Button>
      {open && (
        <div className="sheet" role="menu" style={place()}>
          {items.map((item) => (
            <button
              type="button"
              key={item.text}
              role="menuitem"
              disabled={Boolean(item.why)}
              onClick={() => {
                setOpen(false);
                item.act();
              }}
            >
              {item.text}
              {(item.why || item.hint) && <small>{item.why || item.hint}</small>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

export function Tabs<T extends string>({ label, value, tabs, onChange }: { label: string; value: T; tabs: readonly (readonly [T, string])[]; onChange(value: T): void }) {
  const box = useRef<HTMLDivElement>(null);
  // On a phone some of them are beside the window.
  useEffect(() => {
    // A newer browser's answer is a promise, which no effect may return.
    void box.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [value]);
  const go = (event: React.KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const at = tabs.findIndex(([name]) => name === value);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    if (next) onChange(next[0]);
    requestAnimationFrame(() => box.current?.querySelector<HTMLButtonElement>("[aria-selected=true]")?.focus());
  };
  return (
    <div className="tabs" role="tablist" aria-label={label} ref={box} onKeyDown={go}>
      {tabs.map(([name, text]) => (
        <button type="button" key={name} role="tab" aria-selected={name === value} tabIndex={name === value ? 0 : -1} onClick={() => onChange(name)}>
          {text}
        </button>
      ))}
    </div>
  );
}

export function Badge({ look, children, title }: { look?: "good" | "warn" | "bad"; children: ReactNode; title?: string }) {
  return (
    <span className={`badge ${look ?? ""}`} title={title}>
      {children}
    </span>
  );
}

/** A failure where it happened: what, why, what to do. */
export function Trouble({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  const details = () => JSON.stringify({ message, code: known?.code, sqlstate: known?.sqlstate, hint: known?.hint, at: location.pathname, when: new Date().toISOString() });
  return (
    <div className="trouble" role="alert">
      <strong>{message}</strong>
      {known?.hint && <span>{known.hint}</span>}
      <div className="row wrap">
        {retry && <Button onClick={retry}>{w.common.retry}</Button>}
        <Button look="plain" onClick={() => void copy(details())}>
          {w.common.details}
        </Button>
      </div>
    </div>
  );
}

/** A sentence in which what stands between backticks is code, as people write it. */
export function Said({ text }: { text: string }) {
  // biome-ignore lint: parts of a sentence have no other name
  return text.split(/`([^`\n]+)`/).map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part));
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Shown only when waiting takes long enough to be noticed. */
export function Waiting() {
  return (
    <div className="wait" role="status" aria-label={w.common.loading}>
      <div className="bones" style={{ width: "40%" }} />
      <div className="bones" style={{ width: "75%" }} />
      <div className="bones" style={{ width: "60%" }} />
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: Error | null;
  refetch(): unknown;
}

/** What a page does while it has no data, when it cannot get any, and when it has. */
export function Loaded<T>({ of, page, gone, children }: { of: Asked<T>; /** Whether it is all of the page, and not a part of one. */ page?: boolean; /** What is said where there is no such thing. */ gone?: string; children(data: T): ReactNode }) {
  if (of.data !== undefined) return children(of.data);
  const missing = (page || gone !== undefined) && of.error instanceof ApiError && of.error.status === 404;
  const instead = missing ? <Empty title={w.failure.notFound}>{gone ?? w.failure.notFoundHint}</Empty> : of.error ? <Trouble error={of.error} retry={() => void of.refetch()} /> : <Waiting />;
  return page ? (
    <main className="page" id="page">
      {instead}
    </main>
  ) : (
    instead
  );
}

export async function copy(text: string, told: string = w.common.copied): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(told);
  } catch {
    // Browsers keep the clipboard from pages that are not encrypted, unless it is this machine.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    toast(done ? told : text);
  }
}

/** Says the page's title to the browser. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${w.app}` : w.app;
  }, [title]);
}

/** Returns a value that follows `value` once it rests. */
export function useResting<T>(value: T, ms: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return rested;
}

/** Runs something the server does, telling when it fails. */
export function useAct(): [boolean, (work: () => Promise<void>) => Promise<void>, unknown] {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const act = useCallback(async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  }, []);
  return [busy, act, error];
}
