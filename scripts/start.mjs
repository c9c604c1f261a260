// @ts-check
// `npm start`: the demo chat app, and Sage in front of it. Ends with Ctrl-C; what was counted stays in .wrangler/state.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startDemoApp } from "../demo/server.mjs";

const port = Number(process.env.PORT ?? 8787);
const appPort = Number(process.env.APP_PORT ?? 8788);
const sage = `http://127.0.0.1:${port}`;

/** Secrets of this machine's Sage; made once. @returns {Record<string, string>} */
function devVars() {
  const file = ".dev.vars";
  if (!existsSync(file)) {
    const secret = () => randomBytes(24).toString("base64url");
    const names = ["SAGE_INGEST_KEY", "SAGE_ADMIN_TOKEN", "SAGE_PUBLIC_KEY", "SAGE_UID_SALT"];
    writeFileSync(file, names.map((name) => `${name}=${secret()}${secret()}\n`).join(""), { mode: 0o600 });
    console.log(`start: wrote ${file} with random secrets`);
  }
  const lines = readFileSync(file, "utf8").matchAll(/^\s*([A-Z_]+)\s*=\s*"?([^"\n]*)"?\s*$/gm);
  return Object.fromEntries(Array.from(lines, ([, name, value]) => [name, value]));
}

/** @param {number} wanted */
async function mustBeFree(wanted) {
  await new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject).listen(wanted, "127.0.0.1", () => probe.close(resolve));
  }).catch(() => {
    console.error(`start: port ${wanted} is in use; set PORT and APP_PORT to free ones`);
    process.exit(1);
  });
}

/** @param {string} path */
const answers = (path) => fetch(sage + path).then((reply) => reply.ok).catch(() => false);

const vars = devVars();
await mustBeFree(port);
await mustBeFree(appPort);
const app = await startDemoApp({ port: appPort, sageUrl: sage, ingestKey: vars.SAGE_INGEST_KEY ?? "", publicKey: vars.SAGE_PUBLIC_KEY ?? "" });

const settings = { origin: `http://127.0.0.1:${appPort}`, ...JSON.parse(process.env.SAGE_SETTINGS ?? "{}") };
const args = [
  "node_modules/wrangler/bin/wrangler.js", "dev", "--ip", "127.0.0.1", "--port", String(port),
  "--persist-to", process.env.SAGE_STATE ?? ".wrangler/state", "--test-scheduled", "--show-interactive-dev-session=false", "--log-level", "warn",
  "--var", `SHARDS:${process.env.SHARDS ?? 1}`, "--var", `SAGE_SETTINGS:${JSON.stringify(settings)}`,
];
let stopping = false;
/** @type {import("node:child_process").ChildProcess | undefined} */
let worker;

async function stop() {
  if (stopping) return;
  stopping = true;
  worker?.kill("SIGTERM");
  await app.close();
  process.exit(0);
}
process.on("SIGINT", stop).on("SIGTERM", stop);

/** Runs the Worker until it stops; a Worker that fell over is started again. */
async function supervise() {
  for (;;) {
    const began = Date.now();
    worker = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, CI: "1" } });
    await new Promise((resolve) => worker?.once("exit", resolve));
    if (stopping) return;
    if (Date.now() - began < 5_000) {
      console.error("start: Sage does not stay up; see the lines above");
      process.exit(1);
    }
    console.error("start: Sage fell over; starting it again");
  }
}
supervise();

for (let tries = 0; !(await answers("/sage/healthz")); tries += 1) {
  if (tries > 300) {
    console.error("start: Sage did not become healthy in a minute; see the lines above");
    await stop();
  }
  await sleep(200);
}
console.log(`
  chat app, through Sage   ${sage}/
  numbers, for admins      curl -H 'Authorization: Bearer ${vars.SAGE_ADMIN_TOKEN}' ${sage}/sage
  public page              ${sage}/safety/transparency
  chat app, without Sage   http://127.0.0.1:${app.port}/

Sage is ready`);
// A runtime that was killed does not take wrangler down with it: look after it.
for (let misses = 0; !stopping; ) {
  await sleep(2_000);
  misses = (await fetch(`${sage}/sage/healthz`, { signal: AbortSignal.timeout(5_000) }).then(() => true).catch(() => false)) ? 0 : misses + 1;
  if (misses >= 2) {
    misses = 0;
    worker?.kill("SIGTERM");
    await sleep(8_000);
  }
}
