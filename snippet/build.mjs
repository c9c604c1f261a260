// @ts-check
// Bundles the snippet: `node snippet/build.mjs FILE` writes what the Worker serves, as JSON by file name, and says how much it weighs.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Most bytes of the script, gzip. */
export const SCRIPT_BYTES_MAX = 6_000;

const BANNER = "/*! Sage, MIT; web-vitals (c) Google LLC, Apache-2.0 */";

/** @param {string} file */
const path = (file) => fileURLToPath(new URL(file, import.meta.url));

/** @returns {Promise<Record<string, { text: string, etag: string }>>} */
export async function scripts() {
  const { outputFiles } = await build({ entryPoints: [path("src/sage.ts")], bundle: true, minify: true, format: "iife", target: "es2020", write: false, banner: { js: BANNER } });
  const texts = { "sage.js": outputFiles[0].text, "sage.mjs": readFileSync(path("sage.mjs"), "utf8") };
  const entries = Object.entries(texts).map(([name, text]) => {
    const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
    return /** @type {const} */ ([name, { text, etag }]);
  });
  return Object.fromEntries(entries);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = await scripts();
  const bytes = gzipSync(made["sage.js"].text, { level: 9 }).length;
  if (bytes > SCRIPT_BYTES_MAX) {
    console.error(`snippet: ${bytes} bytes gzip, more than ${SCRIPT_BYTES_MAX}`);
    process.exit(1);
  }
  writeFileSync(process.argv[2], JSON.stringify(made));
  console.log(`snippet: ${bytes} bytes gzip`);
}
