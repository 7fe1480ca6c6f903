/** Calls of the server: JSON in and out, errors as the server words them. */

export interface Place {
  line: number;
  column: number;
}

/** An answer that is no success, or none at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint?: string,
    readonly position?: Place,
    readonly sqlstate?: string,
  ) {
    super(message);
  }
}

/** Times that a server which is busy is asked again: the tiles of a large dashboard wait for each other. */
const PATIENCE = 5;

/** Whether what failed so many times before may be better the next time. */
export function mayGoBetter(times: number, error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  if (error.status === 429) return times < PATIENCE;
  return times < 2 && (error.status === 0 || error.status === 503);
}

/** Told to the window when nobody answered. */
export const UNREACHABLE = "weir:unreachable";

const sessionOver = () => new ApiError(401, "unauthorized", "Your session is over.", "Sign in, and do it again.");

let csrf = "";
let away = false;
let onSignedOut: () => void = () => {};

/** Tells what pages show with each change, whether they only wait for somebody to sign in, and what happens when the session is over. */
export function setSession(token: string, waits: boolean, signedOut: () => void): void {
  csrf = token;
  away = waits;
  onSignedOut = signedOut;
}

/** Reads the body of a failure; whatever it is, an error comes out. */
export async function failure(response: Response): Promise<ApiError> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy's page, most likely: the status is all there is to say.
  }
  const text = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : undefined);
  const message = text("message") ?? `The server answered ${response.status}.`;
  const place = body.position as Place | undefined;
  return new ApiError(response.status, text("code") ?? "unknown", message, text("hint"), place, text("sqlstate"));
}

/** Sends a request; a failure is thrown as {@link ApiError}. */
export async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  // Pages that wait go on asking by the clock: nobody would answer.
  if (away && !path.startsWith("/api/v1/session")) throw sessionOver();
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["weir-csrf"] = csrf;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      credentials: "same-origin",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    dispatchEvent(new Event(UNREACHABLE));
    throw new ApiError(0, "unreachable", "Weir does not answer.", "Is it running, and is the network there?");
  }
  if (response.ok) return response;
  const error = await failure(response);
  // Pages that ask for a password answer 401 themselves.
  if (error.status === 401 && !path.startsWith("/api/v1/session")) {
    onSignedOut();
    // What the server says is for programs: they send tokens.
    throw sessionOver();
  }
  throw error;
}

export async function api<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

export const get = <T>(path: string, signal?: AbortSignal) => api<T>("GET", path, undefined, signal);

/** Puts values into a path: names may be in any script, and hold slashes. */
export function path(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return parts.reduce((all, part, i) => all + (i > 0 ? encodeURIComponent(values[i - 1] ?? "") : "") + part, "");
}
