import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** What a first visit may load, in bytes of gzipped JavaScript. */
const FIRST_LOAD = 250 * 1024;

/** Writes `.br` and `.gz` beside each text file, and fails when a first visit has grown too heavy. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    // Of the files as they were written: others still change them while the bundle is made.
    writeBundle({ dir = "dist" }, bundle) {
      const first = new Set<string>();
      const follow = (name: string): void => {
        const chunk = bundle[name];
        if (first.has(name) || chunk?.type !== "chunk") return;
        first.add(name);
        chunk.imports.forEach(follow);
      };
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === "chunk" && chunk.isEntry) follow(chunk.fileName);
      }
      let bytes = 0;
      for (const file of Object.values(bundle)) {
        if (!/\.(js|css|svg|json)$/.test(file.fileName)) continue;
        const path = join(dir, file.fileName);
        const text = readFileSync(path);
        const gzip = gzipSync(text, { level: 9 });
        const brotli = brotliCompressSync(text, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11 },
        });
        if (first.has(file.fileName)) bytes += gzip.length;
        if (text.length < 1024) continue;
        writeFileSync(`${path}.gz`, gzip);
        writeFileSync(`${path}.br`, brotli);
      }
      const kib = (bytes / 1024).toFixed(1);
      if (bytes > FIRST_LOAD) this.error(`the first load is ${kib} KiB of gzipped JavaScript, more than 250`);
      this.info(`first load: ${kib} KiB of gzipped JavaScript`);
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 900, modulePreload: { polyfill: false } },
  server: { proxy: Object.fromEntries(["/api", "/health", "/v1"].map((path) => [path, { target: process.env.WEIR_URL ?? "http://127.0.0.1:8080", changeOrigin: false }])) },
  test: { include: ["src/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
