// @ts-check
// A year of turns: how long `GET /sage` takes over each preset window, over any other, and what the isolate holds. Twice: of few turns
// and of many (`SAGE_BENCH_TURNS`), because neither may depend on how many there are.

import { SECRETS, startSageBare } from '../lib/bench-workerd.mjs';
import { CONNECTIONS, acknowledged, details, equal, judge, load, mib, millis, numbers, quick, tell, thousand, times } from './measure.mjs';

/** @typedef {import('./measure.mjs').Running} Running */

const DAY_MS = 86_400_000;
const FEW = 10_000;
const MANY = Number(process.env.SAGE_BENCH_TURNS ?? (quick ? 100_000 : 1_000_000));
const PEOPLE = Math.max(100, MANY / 100);
const ASKED = quick ? 20 : 100;
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

/** @param {number} turns */
async function of(turns) {
  const sage = await startSageBare({ inspected: true });
  try {
    const now = Date.now();
    const headers = [`authorization: Bearer ${SECRETS.SAGE_INGEST_KEY}`];
    const many = turns > FEW;
    const shape = { batches: many ? 400 : 20, size: 50, users: many ? PEOPLE : PEOPLE / 100, from: now - 364 * DAY_MS, to: now };
    const began = performance.now();
    // In the order of time, a fortieth of the year at once, as a year comes in.
    for (let part = 0; part < PARTS; part += 1) {
      const from = shape.from + (part / PARTS) * (shape.to - shape.from);
      for (let more = 0; (acknowledged.get(sage.port) ?? 0) < (turns * (part + 1)) / PARTS; more += 1) {
        const period = { ...shape, from, to: from + (shape.to - shape.from) / PARTS, seed: 11 + part };
        await load({ port: sage.port, path: '/sage/v1/events', connections: CONNECTIONS, ms: many ? 400 : 20, headers, turns: period, run: `y${String(part).padStart(3, '0')}${String(more).padStart(4, '0')}` });
      }
    }
    const stored = acknowledged.get(sage.port) ?? 0;
    const sent = (performance.now() - began) / 1000;
    const windows = Object.entries(PRESETS).map(([name, days]) => [name, `?from=${day(now - (days - 1) * DAY_MS)}&to=${day(now)}`]);
    const first = await ask(sage, windows.at(-1)?.[1] ?? '');
    const { panels } = await numbers(sage, windows.at(-1)?.[1] ?? '');
    equal(`turns of a year that /sage counts, ${thousand(stored)}`, panels.usage.turns.value, stored, 'acknowledged');
    for (const [, query] of windows) await ask(sage, query ?? '');
    /** @type {Record<string, number[]>} */ const taken = {};
    let trickle = 0;
    for (let round = 0; round < ASKED; round += 1) {
      // Something comes in between, so that no answer can be one that was kept.
      await fetch(`${sage.url}/sage/v1/events`, {
        method: 'POST', headers: { authorization: `Bearer ${SECRETS.SAGE_INGEST_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'turn', id: `trickle-${turns}-${(trickle += 1)}`, ts: new Date().toISOString(), user_id: `user-${String(trickle % 1000).padStart(8, '0')}`, conversation_id: `c${trickle}`, provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 100, output_tokens: 50 } }),
      });
      for (const [name, query] of windows) (taken[name ?? ''] ??= []).push(await ask(sage, query ?? ''));
    }
    const others = [];
    for (const zone of ['Asia/Kathmandu', 'America/St_Johns']) {
      for (const days of [11, 77, 365]) others.push(await ask(sage, `?from=${day(now - (days - 1) * DAY_MS)}&to=${day(now)}&tz=${encodeURIComponent(zone)}`));
    }
    const memory = await sage.isolate();
    return { turns: stored, seconds: sent, first, taken, others: Math.max(...others), memory, rss: sage.rssBytes() };
  } finally {
    await sage.stop();
  }
}

export async function year() {
  const few = await of(FEW);
  const many = await of(MANY);
  for (const name of Object.keys(PRESETS)) {
    const [a, b] = [at(few.taken[name] ?? [], 0.99), at(many.taken[name] ?? [], 0.99)];
    judge(`GET /sage, ${name}, ${thousand(many.turns)} turns of a year`, `p50 ${millis(at(many.taken[name] ?? [], 0.5))}, p99 ${millis(b)}`, `p99 ${millis(a)} (${thousand(few.turns)})`, b, 50, 'most', millis);
    judge(`… against ${thousand(few.turns)}, medians`, millis(at(many.taken[name] ?? [], 0.5)), millis(at(few.taken[name] ?? [], 0.5)), at(many.taken[name] ?? [], 0.5) / at(few.taken[name] ?? [], 0.5), 1.2, 'most', times);
  }
  judge('GET /sage, any other window and zone, the slowest', millis(many.others), millis(few.others), many.others, 1_000, 'most', millis);
  tell('GET /sage, the first after a start', millis(many.first), millis(few.first), '');
  judge(`memory of the isolate, ${thousand(many.turns)} turns`, `${mib(many.memory.bytes)}; process ${mib(many.rss)}`, mib(few.memory.bytes), many.memory.bytes / 2 ** 20, 64, 'most', (n) => `${Math.round(n)} MiB`);
  details.year = { few, many };
}
