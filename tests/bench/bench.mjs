// @ts-check
// `npm run bench`: the performance table, on bare workerd, each figure beside its baseline. Sage and its baseline
// take turns within a run, so that a busy machine slows both; figures are medians of the rounds, with the range beside them.
//
//   node tests/bench/bench.mjs [--quick] [--only=size,pass,stream,intake,history]
//
// Everything runs on 127.0.0.1. Besides requests a second, the CPU that workerd used per request is shown: it does not
// depend on what else the machine does.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { BUILD, ROOT, SECRETS, startSageBare, startWorkerd } from '../lib/bench-workerd.mjs';

/** @typedef {import('../lib/bench-workerd.mjs').Running} Running */
/** @typedef {import('./load.mjs').Job} Job */
/** @typedef {import('./load.mjs').Load} Load */
/** @typedef {{ median: number, min: number, max: number }} Figure */
/**
 * @typedef {object} Line
 * @property {string} name
 * @property {string} sage
 * @property {string} baseline
 * @property {string} result What is compared with the budget.
 * @property {string} budget
 * @property {boolean} within
 * @property {number} [ofBudget] Result ÷ budget.
 */

const quick = process.argv.includes('--quick');
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice(7).split(',');
const wanted = (/** @type {string} */ part) => !only || only.includes(part);
const ROUNDS = quick ? 3 : 5;
const ROUND_MS = quick ? 1000 : 2000;
const CONNECTIONS = 16;
const HISTORY_DAYS = 30;
const DAY_MS = 86_400_000;

const file = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

/** @param {string} name */
async function helper(name) {
  const child = fork(file(name), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.once('exit', (code) => { if (code) throw new Error(`${name} ended with ${code}`); });
  return child;
}

/** @type {import('node:child_process').ChildProcess} */ let client;
/** @type {Line[]} */ const lines = [];
/** @type {Record<string, unknown>} */ const details = {};
/** @type {string[]} */ const failures = [];
/** Events that the Worker at a port has acknowledged. @type {Map<number, number>} */
const acknowledged = new Map();

/** @param {Job} job @returns {Promise<Load>} */
async function load(job) {
  client.send(job);
  const [result] = await once(client, 'message');
  if (result.errors) failures.push(`${job.path}: ${result.errors} errors, such as: ${result.samples[0]}`);
  if (!result.requests) failures.push(`${job.path}: nothing was answered`);
  acknowledged.set(job.port, (acknowledged.get(job.port) ?? 0) + result.stored);
  return result;
}

/** @param {number[]} values @returns {Figure} */
function figure(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1] ?? NaN, min: sorted[0] ?? NaN, max: sorted[sorted.length - 1] ?? NaN };
}

const digits = (/** @type {number} */ n) => (n >= 100 ? Math.round(n).toLocaleString('en') : n.toPrecision(3));
const show = (/** @type {Figure} */ f, unit = '') => `${digits(f.median)}${unit} (${digits(f.min)}–${digits(f.max)})`;

/**
 * Measures in turns: one round of each, then the next.
 * @param {Record<string, Running>} workers
 * @param {(name: string) => Omit<Job, 'port' | 'ms'>} job
 * @param {number} [ms]
 */
async function inTurns(workers, job, ms = ROUND_MS) {
  /** @type {Record<string, { load: Load, cpuUs: number, rate: number }[]>} */ const results = {};
  for (const [name, worker] of Object.entries(workers)) {
    results[name] = [];
    await load({ ...job(name), port: worker.port, ms: ms / 2 });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, worker] of Object.entries(workers)) {
      const before = worker.cpuMs();
      const result = await load({ ...job(name), port: worker.port, ms });
      results[name]?.push({ load: result, cpuUs: ((worker.cpuMs() - before) * 1000) / result.requests, rate: (result.requests / result.ms) * 1000 });
    }
  }
  return results;
}

/**
 * The ratio round by round: what the machine did meanwhile happened to both.
 * @param {{ rate: number }[]} ours @param {{ rate: number }[]} theirs
 */
const ratios = (ours, theirs) => figure(ours.map((round, i) => round.rate / (theirs[i]?.rate ?? NaN)));

/** @param {string} name @param {string} sage @param {string} baseline @param {number} result @param {number} budget @param {'least' | 'most'} bound @param {(n: number) => string} text @param {Figure} [range] */
function judge(name, sage, baseline, result, budget, bound, text, range) {
  const within = bound === 'least' ? result >= budget : result <= budget;
  const between = range ? ` (${range.min.toFixed(2)}–${range.max.toFixed(2)})` : '';
  lines.push({ name, sage, baseline, result: text(result) + between, budget: `${bound === 'least' ? '≥' : '≤'} ${text(budget)}`, within, ofBudget: budget ? result / budget : undefined });
}

const times = (/** @type {number} */ n) => `${n.toFixed(2)} ×`;
const millis = (/** @type {number} */ n) => `${n.toFixed(2)} ms`;

async function passThrough() {
  const origin = await helper('origin.mjs');
  const [port] = await once(origin, 'message');
  const url = `http://127.0.0.1:${port}`;
  const workers = { js: await startWorkerd({ files: [file('baselines/pass.js')], vars: { ORIGIN: url } }), sage: await startSageBare({ origin: url }) };
  try {
    const direct = await load({ port, path: '/16k', connections: CONNECTIONS, ms: 500 });
    details.client = { direct_requests_per_s: Math.round((direct.requests / direct.ms) * 1000) };
    /** @type {[string, string, string][]} */ const kinds = [['pass', '/16k', 'pass-through of 16 KiB'], ['stream', '/stream', 'pass-through of a reply in 20 chunks']];
    for (const [kind, path, name] of kinds.filter(([kind]) => wanted(kind))) {
      const { js = [], sage = [] } = await inTurns(workers, () => ({ path, connections: CONNECTIONS }));
      const ratio = ratios(sage, js);
      const rate = (/** @type {typeof js} */ rounds) => `${show(figure(rounds.map((round) => round.rate)))}/s, ${digits(figure(rounds.map((round) => round.cpuUs)).median)} µs CPU`;
      judge(name, rate(sage), rate(js), ratio.median, 0.8, 'least', times, ratio);
      // First byte, one request at a time: what a person waits, not what a queue adds.
      const alone = await inTurns(workers, () => ({ path, connections: 1 }), ROUND_MS / 2);
      const first = (/** @type {typeof js} */ rounds) => figure(rounds.map((round) => round.load.firstByte[0] ?? NaN));
      const [ours, theirs] = [first(alone.sage ?? []), first(alone.js ?? [])];
      judge(`${name}: first byte, p50`, show(ours, ' ms'), show(theirs, ' ms'), ours.median - theirs.median, 0.3, 'most', (n) => `+${millis(n)}`);
      details[kind] = { js, sage, ratio, first_byte_ms: { sage: ours, js: theirs } };
    }
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
    origin.disconnect();
  }
}

/** Median time that a small durable write takes on the disk that objects are stored on. */
function fsyncMs() {
  const folder = mkdtempSync(join(tmpdir(), 'sage-fsync-'));
  const handle = openSync(join(folder, 'file'), 'w');
  const block = Buffer.alloc(16_384);
  const taken = Array.from({ length: 60 }, () => {
    const began = performance.now();
    writeSync(handle, block);
    fdatasyncSync(handle);
    return performance.now() - began;
  });
  closeSync(handle);
  rmSync(folder, { recursive: true });
  return figure(taken).median;
}

/** @param {Running} sage @param {string} query */
async function numbers(sage, query) {
  const reply = await fetch(`${sage.url}/sage${query}`, { headers: { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, accept: 'application/json' } });
  if (reply.status !== 200) throw new Error(`GET /sage: ${reply.status} ${await reply.text()}`);
  return /** @type {any} */ (await reply.json());
}

async function intake() {
  const workers = { js: await startWorkerd({ files: [file('baselines/insert.js')], objects: { EVENTS: 'Events' } }), sage: await startSageBare() };
  const { sage } = workers;
  try {
    const now = Date.now();
    const headers = [`authorization: Bearer ${SECRETS.SAGE_INGEST_KEY}`];
    let run = 0;
    const turns = { batches: 100, size: 50, users: 10_000, from: now - 10 * 60_000, to: now, seed: 7 };
    const name = () => `r${String((run += 1)).padStart(7, '0')}`;
    const disk = [fsyncMs()];
    const rounds = await inTurns(workers, (worker) => ({ path: worker === 'sage' ? '/sage/v1/events' : '/', connections: CONNECTIONS, headers, turns, run: name() }), ROUND_MS);
    disk.push(fsyncMs());
    const { js: theirs = [], sage: ours = [] } = rounds;
    const ratio = ratios(ours, theirs);
    const rate = (/** @type {typeof ours} */ list) => `${show(figure(list.map((round) => round.rate * turns.size)))}/s, ${digits(figure(list.map((round) => round.cpuUs / turns.size)).median)} µs CPU`;
    judge('intake in batches of 50, events', rate(ours), rate(theirs), ratio.median, 2.5, 'least', times, ratio);
    details.intake = { js: theirs, sage: ours, ratio, fsync_ms: disk, rss_bytes: { sage: sage.rssBytes(), js: workers.js.rssBytes() } };
    await counts(sage, acknowledged.get(sage.port) ?? 0, now);
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  }
}

/** A Sage with a history of 30 days: what it holds in memory and how long it takes to answer. */
async function history() {
  const sage = await startSageBare({ inspected: true });
  try {
    const now = Date.now();
    const turns = { batches: 400, size: 50, users: 10_000, from: now - (HISTORY_DAYS - 1) * DAY_MS, to: now, seed: 11 };
    const headers = [`authorization: Bearer ${SECRETS.SAGE_INGEST_KEY}`];
    await load({ port: sage.port, path: '/sage/v1/events', connections: CONNECTIONS, ms: quick ? 2000 : 12_000, headers, turns, run: 'history0' });
    const stored = acknowledged.get(sage.port) ?? 0;
    const window = await counts(sage, stored, now);
    const admin = [`authorization: Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, 'accept: application/json'];
    const asked = await load({ port: sage.port, path: `/sage${window}`, connections: 1, ms: quick ? 1500 : 4000, headers: admin });
    const [p50 = NaN, , p99 = NaN] = asked.latency;
    judge(`GET /sage, all panels, ${HISTORY_DAYS} days, ${thousand(stored)} turns`, `p50 ${millis(p50)}, p99 ${millis(p99)}, asked ${asked.requests} times`, '–', p99, 50, 'most', millis);
    const memory = await sage.heapBytes();
    judge(`memory of the isolate, ${thousand(stored)} turns`, `${mib(memory)}; process ${mib(sage.rssBytes())}`, '–', memory / 2 ** 20, 64, 'most', (n) => `${Math.round(n)} MiB`);
    details.history = { turns: stored, query: asked, isolate_bytes: memory, rss_bytes: sage.rssBytes() };
  } finally {
    await sage.stop();
  }
}

/**
 * Checks that /sage counts exactly what was acknowledged; returns the window that was asked for.
 * @param {Running} sage @param {number} stored @param {number} now
 */
async function counts(sage, stored, now) {
  const day = (/** @type {number} */ at) => new Date(at).toISOString().slice(0, 10);
  const window = `?from=${day(now - (HISTORY_DAYS - 1) * DAY_MS)}&to=${day(Date.now())}`;
  const { panels } = await numbers(sage, window);
  const counted = [panels.usage.turns.value, panels.operations.intake.stored.value];
  const equal = counted.every((count) => count === stored);
  if (!equal) failures.push(`acknowledged ${stored} events, but /sage counts ${counted.join(' and ')}`);
  lines.push({ name: 'events that /sage counts', sage: counted[0].toLocaleString('en'), baseline: `${stored.toLocaleString('en')} acknowledged`, result: equal ? 'equal' : 'NOT EQUAL', budget: 'equal', within: equal });
  return window;
}

const thousand = (/** @type {number} */ n) => `${Math.round(n / 1000).toLocaleString('en')} thousand`;
const mib = (/** @type {number} */ bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Starts a Worker cold and asks it once. @param {() => Promise<Running>} start @param {string} path */
async function cold(start, path) {
  const worker = await start();
  await (await fetch(worker.url + path)).arrayBuffer();
  const used = worker.cpuMs();
  await worker.stop();
  return used;
}

async function size() {
  const wasm = readFileSync(join(BUILD, 'index_bg.wasm'));
  const packed = gzipSync(wasm, { level: 9 }).length;
  judge('WASM, gzip', `${(packed / 2 ** 20).toFixed(2)} MiB (raw ${(wasm.length / 2 ** 20).toFixed(2)} MiB)`, '–', packed / 2 ** 20, 1.5, 'most', (n) => `${n.toFixed(2)} MiB`);
  /** @type {number[]} */ const ours = [];
  /** @type {number[]} */ const theirs = [];
  for (let round = 0; round < (quick ? 3 : 7); round += 1) {
    theirs.push(await cold(() => startWorkerd({ files: [file('baselines/hello.js')] }), '/'));
    ours.push(await cold(() => startSageBare(), '/sage/nothing'));
  }
  const [sage, hello] = [figure(ours), figure(theirs)];
  judge('start-up to the first answer, CPU', show(sage, ' ms'), `${show(hello, ' ms')} for a hello Worker`, sage.median - hello.median, 100, 'most', millis);
  details.start = { sage, hello, wasm_bytes: wasm.length, wasm_gzip_bytes: packed };
}

/** @param {string[][]} rows */
function table(rows) {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}

const began = performance.now();
client = await helper('load.mjs');
if (wanted('size')) await size();
if (wanted('pass') || wanted('stream')) await passThrough();
if (wanted('intake')) await intake();
if (wanted('history')) await history();
client.disconnect();

console.log(`\nSage on bare workerd, ${cpus().length} cores (${cpus()[0]?.model}), ${ROUNDS} rounds of ${ROUND_MS / 1000} s in turns, ${CONNECTIONS} keep-alive connections,`);
console.log('median (min–max); load client: Node on raw sockets, a process of its own\n');
table([
  ['what', 'Sage', 'baseline', 'result', 'budget', ''],
  ...lines.map((line) => [line.name, line.sage, line.baseline, line.result, line.budget, line.within ? 'pass' : `FAIL${line.ofBudget ? `, at ${line.ofBudget.toFixed(2)} of budget` : ''}`]),
]);
const disk = /** @type {any} */ (details.intake)?.fsync_ms;
const alone = /** @type {any} */ (details.client)?.direct_requests_per_s;
if (alone) console.log(`\nthe load client alone asks the app behind ${alone.toLocaleString('en')} times a second`);
if (disk) console.log(`a durable write of 16 KiB on this disk took ${disk.map(millis).join(' before and ')} after the intake rounds; the runtime waits for one at every commit, Sage's and the baseline's`);
console.log(`${Math.round((performance.now() - began) / 1000)} s`);
mkdirSync(join(ROOT, 'target/bench'), { recursive: true });
const report = {
  at: new Date().toISOString(), quick, machine: { cores: cpus().length, model: cpus()[0]?.model, memory_bytes: totalmem() },
  rounds: ROUNDS, round_ms: ROUND_MS, connections: CONNECTIONS, lines, failures, details,
};
writeFileSync(join(ROOT, 'target/bench/latest.json'), `${JSON.stringify(report, null, 1)}\n`);
if (failures.length) {
  console.error(`\nThe figures can't be trusted:\n${failures.join('\n')}`);
  process.exitCode = 1;
}
