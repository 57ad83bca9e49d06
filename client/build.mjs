/** Bundles the client for pages without a build of their own: `node build.mjs [file]`. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [here("src/index.ts")],
  outfile: process.argv[2] ?? here("../services/web/static/convohooks.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  // Not minified: whoever looks into a page's source, or at a change of this file, can read it.
  banner: { js: "// Built from client/ by `make client`: change that, not this." },
  legalComments: "none",
  logLevel: "error",
});
