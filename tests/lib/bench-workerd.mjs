// @ts-check
// Starts Workers on bare workerd: a capnp file in a folder of its own, ports chosen by the system.

import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isolateMemory } from './inspector.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Folder of the built Worker; another build can be measured by naming it. */
export const BUILD = process.env.SAGE_BUILD ?? join(ROOT, 'build');
export const COMPATIBILITY_DATE = /compatibility_date\s*=\s*"([^"]+)"/.exec(readFileSync(join(ROOT, 'wrangler.toml'), 'utf8'))?.[1] ?? '2026-10-20';

/** @returns {string} */
export const workerdPath = () => createRequire(import.meta.url)('workerd').default;

/**
 * @typedef {object} WorkerOptions
 * @property {string[]} files Modules, the entry first: `.js` or `.wasm`.
 * @property {Record<string, string>} [vars] Text bindings.
 * @property {Record<string, string>} [objects] Binding of a Durable Object (SQLite) to its class.
 * @property {{ file: string, binding: string }} [standIn] A Worker whose class `StandIn` takes the place of the object behind this
 *   binding, which it has as `REAL`; it listens on {@link Running.standInUrl}.
 * @property {string[]} [v8Flags]
 * @property {string} [cfHeader] The header whose JSON the runtime gives the Worker as `request.cf`; it goes no further.
 * @property {boolean} [inspected] Opens the inspector, for {@link Running.isolate}.
 * @property {string} [state] Folder of the objects' storage; without it the folder goes with the Worker.
 * @property {Record<string, string>} [env] Laid over the environment of the process.
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** @param {string} text */
const quote = (text) => JSON.stringify(text);

/**
 * @param {WorkerOptions} options
 * @param {string} state
 */
function config(options, state) {
  const modules = options.files.map((file) => {
    const name = basename(file);
    return `(name = ${quote(name)}, ${name.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed ${quote(name)})`;
  });
  const objects = Object.entries(options.objects ?? {});
  const bindings = [
    ...Object.entries(options.vars ?? {}).map(([name, value]) => `(name = ${quote(name)}, text = ${quote(value)})`),
    ...objects.map(([name, className]) => (name === options.standIn?.binding
      ? `(name = ${quote(name)}, durableObjectNamespace = (className = "StandIn", serviceName = "stand-in"))`
      : `(name = ${quote(name)}, durableObjectNamespace = ${quote(className)})`)),
  ];
  const namespaces = objects.map(([, className]) => `(className = ${quote(className)}, uniqueKey = ${quote(className)}, enableSql = true)`);
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
${options.standIn ? '    (name = "stand-in", worker = .standIn),\n' : ''}    (name = "internet", network = (allow = ["public", "private"])),
    (name = "state", disk = (path = ${quote(state)}, writable = true)),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (${options.cfHeader ? `cfBlobHeader = ${quote(options.cfHeader)}` : ''}), service = "main"),
${options.standIn ? '    (name = "stand-in", address = "127.0.0.1:0", http = (), service = "stand-in"),\n' : ''}  ],
  v8Flags = [${(options.v8Flags ?? []).map(quote).join(', ')}],
);

const main :Workerd.Worker = (
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  modules = [${modules.join(', ')}],
  bindings = [${bindings.join(', ')}],
  durableObjectNamespaces = [${namespaces.join(', ')}],
  ${objects.length ? 'durableObjectStorage = (localDisk = "state"),' : ''}
);
${options.standIn ? `
const standIn :Workerd.Worker = (
  compatibilityDate = ${quote(COMPATIBILITY_DATE)},
  modules = [(name = "stand-in.js", esModule = embed "stand-in.js")],
  bindings = [
    (name = "STAND_IN", durableObjectNamespace = "StandIn"),
    (name = "REAL", durableObjectNamespace = (className = ${quote(options.objects?.[options.standIn.binding] ?? '')}, serviceName = "main")),
  ],
  durableObjectNamespaces = [(className = "StandIn", uniqueKey = "StandIn", enableSql = true)],
  durableObjectStorage = (localDisk = "state"),
);
` : ''}`;
}

/**
 * @typedef {object} Running
 * @property {string} url `http://127.0.0.1:port`
 * @property {string} standInUrl
 * @property {number} port
 * @property {number} pid
 * @property {() => string} log What it printed.
 * @property {() => Promise<void>} stop Ends it and removes its folder.
 * @property {() => number} cpuMs CPU that the process has used, milliseconds.
 * @property {() => number} rssBytes Resident memory of the process.
 * @property {() => Promise<import('./inspector.mjs').IsolateMemory & { bytes: number }>} isolate Its memory, in parts and in all.
 */

/**
 * Starts a Worker and returns once it listens.
 * @param {WorkerOptions} options
 * @returns {Promise<Running>}
 */
export async function startWorkerd(options) {
  const folder = mkdtempSync(join(tmpdir(), 'sage-workerd-'));
  const state = options.state ?? join(folder, 'state');
  mkdirSync(state, { recursive: true });
  for (const file of options.files) copyFileSync(file, join(folder, basename(file)));
  if (options.standIn) copyFileSync(options.standIn.file, join(folder, 'stand-in.js'));
  writeFileSync(join(folder, 'config.capnp'), config(options, state));
  const child = spawn(workerdPath(), ['serve', '--experimental', '--control-fd=3', ...(options.inspected ? ['--inspector-addr=127.0.0.1:0'] : []), 'config.capnp'], {
    cwd: folder,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  let log = '';
  const keep = (/** @type {Buffer} */ chunk) => void (log = (log + chunk).slice(-100_000));
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const exited = new Promise((resolve) => child.once('exit', resolve));
  running.add(child);
  const stop = async () => {
    running.delete(child);
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { port, inspector, standIn } = await new Promise((resolve, reject) => {
      let control = '';
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`workerd ended with ${code}:\n${log}`)));
      child.stdio[3]?.on('data', (chunk) => {
        control += chunk;
        const [port, standIn, inspector] = ['"listen","socket":"http"', '"listen","socket":"stand-in"', '"listen-inspector"'].map((event) =>
          Number(new RegExp(`${event}.*"port":(\\d+)`).exec(control)?.[1] ?? 0));
        if (port && (standIn || !options.standIn) && (inspector || !options.inspected)) resolve({ port, inspector, standIn });
      });
    });
    const pid = child.pid ?? 0;
    const url = `http://127.0.0.1:${port}`;
    const isolate = async () => {
      // A path that is no route: it wakes no object.
      const parts = await isolateMemory(inspector, async () => (await fetch(`${url}/sage/nothing`)).arrayBuffer());
      return { ...parts, bytes: parts.heap + parts.buffers + parts.wasm };
    };
    return { url, standInUrl: `http://127.0.0.1:${standIn}`, port, pid, log: () => log, stop, cpuMs: () => cpuMs(pid), rssBytes: () => rssBytes(pid), isolate };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** By the scheduler's own count of each thread: nanoseconds, where `stat` has ticks of 10 ms. @param {number} pid */
function cpuMs(pid) {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch { /* The thread has ended. */ }
  }
  return nanoseconds / 1e6;
}

/** @param {number} pid */
function rssBytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

export const SECRETS = { SAGE_INGEST_KEY: 'test-ingest-key-0123456789', SAGE_ADMIN_TOKEN: 'test-admin-token-0123456789', SAGE_UID_SALT: '0123456789abcdef0123456789abcdef' };

/**
 * Sage itself in front of `origin`.
 * @param {object} [options]
 * @param {string} [options.origin]
 * @param {object} [options.settings] Laid over the settings of the build.
 * @param {number} [options.shards]
 * @param {string[]} [options.v8Flags]
 * @param {string} [options.cfHeader]
 * @param {boolean} [options.inspected]
 * @param {WorkerOptions['standIn']} [options.standIn]
 * @param {string} [options.build]
 * @param {string} [options.state]
 * @param {Record<string, string>} [options.vars]
 * @param {Record<string, string>} [options.env]
 */
export function startSageBare({ origin = '', settings = {}, shards = 1, v8Flags, cfHeader, inspected, standIn, build = BUILD, state, vars, env } = {}) {
  return startWorkerd({
    files: [join(build, 'index.js'), join(build, 'index_bg.wasm')],
    vars: { ...SECRETS, SHARDS: String(shards), SAGE_SETTINGS: JSON.stringify({ origin, ...settings }), ...vars },
    objects: { SHARD_OBJECT: 'Shard', GOLD_OBJECT: 'Gold' },
    standIn,
    state,
    v8Flags,
    cfHeader,
    inspected,
    env,
  });
}
