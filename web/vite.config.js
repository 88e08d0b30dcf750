import { defineConfig } from "vite";

// The server answers everything below /graphiql/ from this folder, so that the page needs no other host.
export default defineConfig({
  base: "/graphiql/",
  build: {
    outDir: "../app/transport/graphiql",
    emptyOutDir: true,
    assetsDir: "assets",
    chunkSizeWarningLimit: 4096,
    // Inlined assets would need `data:` in more directives of the content-security policy.
    assetsInlineLimit: 0,
    target: "es2022",
  },
  worker: { format: "es" },
});
