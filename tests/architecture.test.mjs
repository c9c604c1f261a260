// @ts-check
// The house: imports run one way, the runtime stays in its shell, raw text stays in the scrubber.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

const ROOT = join(import.meta.dirname, "..");
/** From the top of the house down: a crate may know those that stand after it, and no other. */
const ROOMS = ["collector", "aggregator", "exporter", "schemas"];

/** @param {string} room @returns {{path: string, code: string}[]} the room's Rust files, without comments and tests */
function sources(room) {
  const files = readdirSync(join(ROOT, room, "src"), { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".rs") && !/(^|\/|_)(tests?|sample|memory|fault_matrix)\.rs$/.test(file)).map((file) => {
    const text = readFileSync(join(ROOT, room, "src", file), "utf8");
    return { path: `${room}/src/${file}`, code: text.replace(/^\s*\/\/.*$/gm, "").split("#[cfg(test)]")[0] };
  });
}

/** @param {string} room @param {RegExp} pattern @param {(path: string) => boolean} allowed */
function nowhereBut(room, pattern, allowed) {
  const found = sources(room).filter(({ path, code }) => pattern.test(code) && !allowed(path)).map(({ path }) => path);
  assert.deepEqual(found, [], `${pattern} outside its room`);
}

/** @param {any} metadata @param {string} room @returns {string[]} rooms that it depends on */
function roomsBelow(metadata, room) {
  const { dependencies } = metadata.packages.find((/** @type {any} */ p) => p.name === room);
  return dependencies.map((/** @type {any} */ d) => d.name).filter((/** @type {string} */ name) => ROOMS.includes(name));
}

test("crates depend on rooms below them only", () => {
  const metadata = JSON.parse(execFileSync("cargo", ["metadata", "--format-version", "1", "--no-deps", "--offline"], { cwd: ROOT, encoding: "utf8" }));
  assert.deepEqual(metadata.packages.map((/** @type {any} */ p) => p.name).sort(), [...ROOMS].sort());
  for (const [at, room] of ROOMS.entries()) {
    for (const other of roomsBelow(metadata, room)) {
      assert.ok(ROOMS.indexOf(other) > at, `${room} depends on ${other}, against the arrow`);
    }
  }
});

test("a use of a room above is found in the code, too", () => {
  for (const [at, room] of ROOMS.entries()) {
    for (const above of ROOMS.slice(0, at)) nowhereBut(room, new RegExp(`\\b${above}::`), () => false);
  }
});

test("the runtime is met in its shell only", () => {
  const runtime = /\b(worker|js_sys|web_sys|wasm_bindgen|wasm_bindgen_futures|worker_sys)::/;
  nowhereBut("schemas", runtime, () => false);
  nowhereBut("exporter", runtime, () => false);
  nowhereBut("aggregator", runtime, (path) => path.startsWith("aggregator/src/runtime/"));
  nowhereBut("collector", runtime, (path) => path.startsWith("collector/src/worker/"));
});

test("rules take the time, they do not read it", () => {
  const clock = /\b(SystemTime::now|Instant::now|Utc::now|Local::now|Date::now)\b/;
  for (const room of ROOMS) nowhereBut(room, clock, (path) => path === "aggregator/src/runtime/objects.rs");
});

test("raw text is read by the scrubber only", () => {
  for (const room of ROOMS) {
    nowhereBut(room, /\.expose\(\)/, (path) => path.startsWith("collector/src/scrub/"));
    nowhereBut(room, /\bfrom_redactor\(/, (path) => path.startsWith("collector/src/redact/") || path === "schemas/src/redacted.rs");
    nowhereBut(room, /\bfrom_mac\(/, (path) => /^(collector\/src\/(scrub\/keys|proxy\/capture)|schemas\/src\/ids)\.rs$/.test(path));
  }
});

test("raw text can't be printed, stored or copied", () => {
  const { code } = sources("schemas").find(({ path }) => path === "schemas/src/wire/raw.rs") ?? { code: "" };
  assert.match(code, /pub struct Raw\(/);
  assert.doesNotMatch(code, /derive|impl[^{]*\b(Debug|Display|Serialize|Clone|Deref|AsRef|Into)\b[^{]*for Raw/);
});
