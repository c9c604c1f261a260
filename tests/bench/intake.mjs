// @ts-check
// Events taken in, and what a history of them weighs and takes to ask.

import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, SECRETS, startSageBare, startWorkerd } from '../lib/bench-workerd.mjs';
import { CONNECTIONS, ROUND_MS, acknowledged, details, digits, equal, figure, file, inTurns, judge, load, mib, millis, numbers, quick, ratios, show, tell, thousand, times } from './measure.mjs';

/** @typedef {import('./measure.mjs').Running} Running */

const HISTORY_DAYS = 30;
const BATCH = 50;
const DURABLE_WRITE_US = 1500;
const MANY_CONNECTIONS = 64;
const DAY_MS = 86_400_000;

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

const inserting = (/** @type {Record<string, string>} */ env = {}) => startWorkerd({ files: [file('baselines/insert.js')], objects: { EVENTS: 'Events' }, env });
const rate = (/** @type {{ rate: number, cpuUs: number }[]} */ rounds) => `${show(figure(rounds.map((round) => round.rate * BATCH)))}/s, ${digits(figure(rounds.map((round) => round.cpuUs / BATCH)).median)} µs CPU`;

/**
 * Batches of turns, sent to each in turns.
 * @template {string} Name
 * @param {Record<Name, Running>} workers @param {number} connections @param {number} now
 */
function posted(workers, connections, now) {
  let run = 0;
  const name = () => `r${String((run += 1)).padStart(7, '0')}`;
  const turns = { batches: 100, size: BATCH, users: 10_000, from: now - 10 * 60_000, to: now, seed: 7 };
  const headers = [`authorization: Bearer ${SECRETS.SAGE_INGEST_KEY}`];
  return inTurns(workers, (worker) => ({ path: worker === 'sage' ? '/sage/v1/events' : '/', connections, headers, turns, run: name() }), ROUND_MS);
}

export async function intake() {
  const workers = {
    js: await inserting(),
    once: await startWorkerd({ files: [file('baselines/insert_once.js')], objects: { EVENTS: 'Events' } }),
    keep: await startWorkerd({ files: [file('baselines/keep.js')], objects: { BODIES: 'Bodies' } }),
    sage: await startSageBare(),
  };
  const { sage } = workers;
  try {
    const now = Date.now();
    const disk = [fsyncMs()];
    const rounds = await posted(workers, CONNECTIONS, now);
    disk.push(fsyncMs());
    const { js: theirs, once, keep, sage: ours } = rounds;
    const ratio = ratios(ours, theirs);
    judge('intake in batches of 50, events', rate(ours), rate(theirs), ratio.median, 2.5, 'least', times, ratio);
    const toOnce = ratios(ours, once);
    tell('the same against an object that inserts each event once, keyed by its id', rate(ours), rate(once), times(toOnce.median), toOnce);
    const most = ratios(keep, theirs);
    tell('bodies kept as they come, nothing read: what the runtime allows', rate(keep), rate(theirs), times(most.median), most);
    details.intake = { js: theirs, once, keep, sage: ours, ratio, fsync_ms: disk, rss_bytes: { sage: sage.rssBytes(), js: workers.js.rssBytes() } };
    await counts(sage, acknowledged.get(sage.port) ?? 0, now);
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  }
}

/**
 * The same where a durable write takes a millisecond or two, as on the disks of virtual machines: there the plain object inserts
 * 18,700 rows a second, and what counts is how many batches one write keeps.
 */
export async function intakeOnSlowDisk() {
  const name = `the same where a durable write takes ${DURABLE_WRITE_US / 1000} ms more, ${MANY_CONNECTIONS} connections`;
  const library = slowDisk();
  if (!library) return tell(name, 'not measured: needs Linux', '–', '–');
  const env = { LD_PRELOAD: library, DURABLE_WRITE_US: String(DURABLE_WRITE_US) };
  const workers = { js: await inserting(env), sage: await startSageBare({ env }) };
  try {
    const now = Date.now();
    const { js: theirs, sage: ours } = await posted(workers, MANY_CONNECTIONS, now);
    const ratio = ratios(ours, theirs);
    tell(name, rate(ours), rate(theirs), times(ratio.median), ratio);
    details.intake_on_slow_disk = { js: theirs, sage: ours, ratio };
    await counts(workers.sage, acknowledged.get(workers.sage.port) ?? 0, now);
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  }
}

/** Builds the library that makes durable writes take longer; nothing where none can be preloaded. */
function slowDisk() {
  if (process.platform !== 'linux') return undefined;
  const library = join(ROOT, 'target/bench/libslow_disk.so');
  mkdirSync(dirname(library), { recursive: true });
  execFileSync('rustc', ['--edition', '2024', '-O', '--crate-type', 'cdylib', '-o', library, file('slow_disk.rs')]);
  return library;
}

/** A Sage with a history of 30 days: what it holds in memory and how long it takes to answer. */
export async function history() {
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
    const { bytes: memory, ...parts } = await sage.isolate();
    judge(`memory of the isolate, ${thousand(stored)} turns`, `${mib(memory)}; process ${mib(sage.rssBytes())}`, '–', memory / 2 ** 20, 64, 'most', (n) => `${Math.round(n)} MiB`);
    details.history = { turns: stored, query: asked, isolate_bytes: memory, isolate: parts, rss_bytes: sage.rssBytes() };
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
  equal('turns that /sage counts', panels.usage.turns.value, stored, 'acknowledged');
  equal('events that /sage says are stored', panels.operations.intake.stored.value, stored, 'acknowledged');
  return window;
}
