// @ts-check
// A year of turns: how long `GET /sage` takes over each preset window, over any other, and what the isolate holds. Twice: of few turns
// and of many (`SAGE_BENCH_TURNS`), because neither may depend on how many there are.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, SECRETS, startSageBare } from '../lib/bench-workerd.mjs';
import { CONNECTIONS, acknowledged, details, equal, judge, load, mib, millis, numbers, quick, tell, thousand, times } from './measure.mjs';

/** @typedef {import('./measure.mjs').Running} Running */

const DAY_MS = 86_400_000;
/** It can be told the time. */
const FAULTS = process.env.SAGE_FAULT_BUILD ?? join(ROOT, 'target/edge-faults');
const FEW = 10_000;
const MANY = Number(process.env.SAGE_BENCH_TURNS ?? (quick ? 100_000 : 1_000_000));
const PEOPLE = Math.max(100, MANY / 100);
/** A p99 is the tenth slowest, so that no single pause of the machine makes it. */
const ASKED = quick ? 20 : 1000;
const PARTS = 40;
/** Days of the windows that are offered: today, 7, 30, 90 days, month, quarter, year. */
const PRESETS = { today: 1, '7 days': 7, '30 days': 30, month: 31, '90 days': 90, quarter: 92, year: 365 };

const admin = { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, accept: 'application/json' };
const day = (/** @type {number} */ at) => new Date(at).toISOString().slice(0, 10);

/** @param {Running} sage @param {string} query */
async function ask(sage, query) {
  const began = performance.now();
  const reply = await fetch(`${sage.url}/sage${query}`, { headers: admin });
  await reply.arrayBuffer();
  if (reply.status !== 200) throw new Error(`GET /sage${query}: ${reply.status}`);
  return performance.now() - began;
}

/** @param {number[]} values @param {number} p */
const at = (values, p) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] ?? NaN;

/** Dollars for a million rows written. Source: developers.cloudflare.com/durable-objects/platform/pricing, SQLite storage, November 2026. */
const ROW_MILLION_USD = 1;

/** A year as it comes in: fortieth by fortieth, each by a clock of its time. @param {number} turns @param {string} state @param {number} now */
async function send(turns, state, now) {
  const headers = [`authorization: Bearer ${SECRETS.SAGE_INGEST_KEY}`];
  const many = turns > FEW;
  const [first, step] = [now - 364 * DAY_MS, (364 * DAY_MS) / PARTS];
  let stored = 0;
  let rows = 0;
  for (let part = 0; part < PARTS; part += 1) {
    const from = first + part * step;
    const sage = await startSageBare({ build: FAULTS, state, vars: { SAGE_TEST_CLOCK_OFFSET_MS: String(Math.round(from + step - now)) } });
    try {
      for (let more = 0; stored + (acknowledged.get(sage.port) ?? 0) < (turns * (part + 1)) / PARTS; more += 1) {
        const shape = { batches: many ? 400 : 20, size: 50, users: many ? PEOPLE : PEOPLE / 100, from, to: from + step, seed: 11 + part };
        await load({ port: sage.port, path: '/sage/v1/events', connections: CONNECTIONS, ms: many ? 400 : 20, headers, turns: shape, run: `y${String(part).padStart(3, '0')}${String(more).padStart(4, '0')}` });
      }
      stored += acknowledged.get(sage.port) ?? 0;
      acknowledged.delete(sage.port);
      rows += /** @type {any} */ (await (await fetch(`${sage.url}/sage/__metered`)).json()).rows_written;
    } finally {
      await sage.stop();
    }
  }
  return { stored, rows };
}

/** A year that came in, and a Sage that starts on it. @param {number} turns */
async function started(turns) {
  const state = mkdtempSync(join(tmpdir(), 'sage-year-'));
  const now = Date.now();
  const began = performance.now();
  const { stored, rows } = await send(turns, state, now);
  const seconds = (performance.now() - began) / 1000;
  const sage = await startSageBare({ build: FAULTS, inspected: true, state });
  const windows = Object.entries(PRESETS).map(([name, days]) => ({ name, query: `?from=${day(now - (days - 1) * DAY_MS)}&to=${day(now)}` }));
  const whole = windows.at(-1)?.query ?? '';
  const first = await ask(sage, whole);
  const { panels } = await numbers(sage, whole);
  equal(`turns of a year that /sage counts, ${thousand(stored)}`, panels.usage.turns.value, stored, 'acknowledged');
  for (const { query } of windows) await ask(sage, query);
  /** @type {Record<string, number[]>} */ const taken = {};
  return { sage, state, now, turns: stored, rows, seconds, first, windows, taken };
}

/** @typedef {Awaited<ReturnType<typeof started>>} Year */

/** Asks for each window. Something comes in before, so that no answer can be one that was kept. @param {Year} year @param {number} number */
async function round({ sage, turns, windows, taken }, number) {
  await fetch(`${sage.url}/sage/v1/events`, {
    method: 'POST', headers: { authorization: `Bearer ${SECRETS.SAGE_INGEST_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'turn', id: `trickle-${turns}-${number}`, ts: new Date().toISOString(), user_id: `user-${String(number % 1000).padStart(8, '0')}`, conversation_id: `c${number}`, provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 100, output_tokens: 50 } }),
  });
  for (const { name, query } of windows) (taken[name] ??= []).push(await ask(sage, query));
}

/** @param {Year} year */
async function ended({ sage, now, turns, rows, seconds, first, taken }) {
  const others = [];
  for (const zone of ['Asia/Kathmandu', 'America/St_Johns']) {
    for (const days of [11, 77, 365]) others.push(await ask(sage, `?from=${day(now - (days - 1) * DAY_MS)}&to=${day(now)}&tz=${encodeURIComponent(zone)}`));
  }
  return { turns, rows, seconds, first, taken, others: Math.max(...others), memory: await sage.isolate(), rss: sage.rssBytes() };
}

export async function year() {
  /** @type {Year[]} */ const years = [];
  try {
    for (const turns of [MANY, FEW]) years.push(await started(turns));
    // In turns: the machine is now faster, now slower.
    for (let number = 0; number < ASKED; number += 1) {
      for (const one of years) await round(one, number);
    }
    const of = [];
    for (const one of years) of.push(await ended(one));
    const [many, few] = of;
    if (few && many) report(few, many);
  } finally {
    for (const { sage, state } of years) {
      await sage.stop();
      rmSync(state, { recursive: true, force: true });
    }
  }
}

/** @typedef {Awaited<ReturnType<typeof ended>>} Asked */

/** @param {Asked} few @param {Asked} many */
function report(few, many) {
  for (const name of Object.keys(PRESETS)) {
    const of = (/** @type {Asked} */ { taken }) => ({ p50: at(taken[name] ?? [], 0.5), p99: at(taken[name] ?? [], 0.99) });
    const ofFew = of(few);
    const ofMany = of(many);
    const both = (/** @type {typeof ofFew} */ { p50, p99 }) => `p50 ${millis(p50)}, p99 ${millis(p99)}`;
    judge(`GET /sage, ${name}, ${thousand(many.turns)} turns of a year`, both(ofMany), `${both(ofFew)} (${thousand(few.turns)})`, ofMany.p99, 50, 'most', millis);
    judge(`… against ${thousand(few.turns)}, p99`, millis(ofMany.p99), millis(ofFew.p99), ofMany.p99 / ofFew.p99, 1.2, 'most', times);
    judge('… medians', millis(ofMany.p50), millis(ofFew.p50), ofMany.p50 / ofFew.p50, 1.2, 'most', times);
  }
  judge('GET /sage, any other window and zone, the slowest', millis(many.others), millis(few.others), many.others, 1_000, 'most', millis);
  tell('GET /sage, the first after a start', millis(many.first), millis(few.first), '');
  judge(`memory of the isolate, ${thousand(many.turns)} turns`, `${mib(many.memory.bytes)}; process ${mib(many.rss)}`, mib(few.memory.bytes), many.memory.bytes / 2 ** 20, 64, 'most', (n) => `${Math.round(n)} MiB`);
  const perMillion = (many.rows / many.turns) * 1e6;
  tell('rows written for a million turns in batches of 50, as the platform meters them', thousand(perMillion), thousand((few.rows / few.turns) * 1e6), `$ ${((perMillion / 1e6) * ROW_MILLION_USD).toFixed(2)}`);
  tell('a year of turns came in at', `${Math.round(many.turns / many.seconds).toLocaleString('en')}/s`, `${Math.round(few.turns / few.seconds).toLocaleString('en')}/s`, '');
  details.year = { few, many };
}
