import { gzipSync } from "node:zlib";
import preact from "@preact/preset-vite";
import { defineConfig, type Plugin } from "vite";

/** Most JavaScript that the first page may load, gzipped; bytes. */
const INITIAL_LIMIT = 60 * 1024;

/** Prints what the first page loads, and fails the build when that grows beyond the limit. */
function initialSize(): Plugin {
  return {
    name: "initial-size",
    writeBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === "chunk");
      const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
      const initial = new Set<string>();
      const add = (name: string) => {
        if (initial.has(name)) return;
        initial.add(name);
        for (const next of byName.get(name)?.imports ?? []) add(next);
      };
      for (const chunk of chunks) if (chunk.isEntry) add(chunk.fileName);
      const bytes = [...initial].reduce(
        (sum, name) => sum + gzipSync(byName.get(name)?.code ?? "", { level: 9 }).length,
        0,
      );
      console.log(`Initial JavaScript: ${(bytes / 1024).toFixed(1)} kB gzip of ${INITIAL_LIMIT / 1024}`);
      if (bytes > INITIAL_LIMIT) this.error("The first page loads too much: import() what it does not need.");
    },
  };
}

export default defineConfig({
  plugins: [preact({ reactAliasesEnabled: false }), initialSize()],
  // All links are from the origin's root; the edge serves no other site there.
  base: "/",
  build: {
    outDir: "dist",
    target: "es2022",
    cssTarget: ["chrome125", "firefox128", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // "npx vite" in web/ beside a running mesh: the edge answers the calls.
  server: { proxy: { "^/rouse\\.": process.env.ROUSE_EDGE ?? "http://127.0.0.1:8080" } },
});
