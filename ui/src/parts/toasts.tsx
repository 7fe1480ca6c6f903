/** Short notes that go by themselves, with an undo where there is one. */

import { useSyncExternalStore } from "react";

interface Toast {
  id: number;
  text: string;
  action?: { text: string; act(): void };
}

let toasts: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(value: Toast[]): void {
  toasts = value;
  for (const listener of listeners) listener();
}

export function toast(text: string, action?: Toast["action"]): void {
  const id = next;
  next += 1;
  set([...toasts.slice(-2), { id, text, action }]);
  setTimeout(() => set(toasts.filter((toast) => toast.id !== id)), action ? 9000 : 4000);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div className="toast" key={toast.id}>
          {toast.text}
          {toast.action && (
            <button
              type="button"
              onClick={() => {
                toast.action?.act();
                set(toasts.filter((other) => other.id !== toast.id));
              }}
            >
              {toast.action.text}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
