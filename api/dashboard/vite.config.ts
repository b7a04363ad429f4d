// How the page is built: small files of our own origin only, so that the strictest content
// security policy (`default-src 'self'`) holds and a mine without internet sees it whole.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    // Control rooms keep their machines long: Chrome 109 is the last for Windows 7.
    target: ["chrome109", "firefox115", "safari16"],
    assetsInlineLimit: 0, // No data: addresses, which the policy would refuse.
    modulePreload: { polyfill: false },
    license: { fileName: "licences.md" }, // The notices of what is bundled go with it.
    reportCompressedSize: false,
  },
});
