import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { mayGoBetter } from "./lib/api";
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
      retry: mayGoBetter,
      retryDelay: (times) => Math.min(8_000, 1_000 * 2 ** times) * (0.75 + Math.random() / 2),
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
