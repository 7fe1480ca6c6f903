import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { ApiError } from "./lib/api";
import { SessionProvider } from "./lib/session";
import { apply } from "./lib/theme";
import "./styles.css";

apply();

// On pages of others nobody is signed in.
const Embedded = lazy(async () => ({ default: (await import("./pages/embedded")).Embedded }));

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false,
      // A Weir on this machine answers without any network; that none answers is said, and not waited for.
      networkMode: "always",
      // Only what may be better the next time is asked again.
      retry: (times, error) => times < 2 && error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status === 503),
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        {location.pathname.startsWith("/embed/") ? (
          <Suspense fallback={null}>
            <Embedded />
          </Suspense>
        ) : (
          <SessionProvider>
            <App />
          </SessionProvider>
        )}
      </QueryClientProvider>
    </StrictMode>,
  );
}
