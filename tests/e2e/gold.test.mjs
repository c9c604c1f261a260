// @ts-check
/**
 * Every number of `GET /sage` is the one that docs/metrics.md says, of a year of a chat app whose every event is known: sent through
 * the intake, some twice, some late, some people erased; asked for over many windows and zones; held against DuckDB, scipy and
 * statsmodels (tests/oracle/gold.py). Prints each row of the page with how many of its numbers were compared.
 *
 *     SAGE_GOLD_EVENTS=1000000 node --test tests/e2e/gold.test.mjs     # the big one
 *     SAGE_GOLD_SHARDS=8, SAGE_GOLD_SEED=8                             # others
 *     SAGE_GOLD_TABLE=<file>                                           # the table with every difference
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { history } from '../history/history.mjs';
import { changesOf } from '../history/people.mjs';
import { app, sendVitals, visitApp } from '../lib/edge_traffic.mjs';
import { keepOffMidnight } from '../lib/midnight.mjs';
import { emptyTally, replay } from '../lib/replay.mjs';
import { ADMIN_TOKEN, PYTHON, ROOT, SALT, seeded, startOrigin, startSage, until } from '../lib/sage.mjs';
import { differences, sums } from '../lib/sums.mjs';

const EVENTS = Number(process.env.SAGE_GOLD_EVENTS ?? 60_000);
const SHARDS = (process.env.SAGE_GOLD_SHARDS ?? '1,8').split(',').map(Number);
const SEED = Number(process.env.SAGE_GOLD_SEED ?? 7);
const REQUESTS = 300;
const FAULTS_SHOWN = 120;
/** Dollars: no one has reached the first, a few people have reached their own. */
const BUDGET = { day_usd: 400, month_usd: 500, user_month_usd: 8 };
const NANO = 1e9;
const DAY_MS = 86_400_000;
/** A minute, and what a million more events take. */
const TIMEOUT_MS = 180_000 + EVENTS * 2;
const ZONES = ['UTC', 'Asia/Kathmandu', 'America/St_Johns'];
const WRONG = [{ type: 'turn', id: 'wrong-1', ts: 'yesterday' }, { type: 'no-such-type', id: 'wrong-2', ts: '2026-01-01T00:00:00Z' }, '{"type":'];

const run = promisify(execFile);
const oracle = (/** @type {string[]} */ args) => run(PYTHON, [join(ROOT, 'tests/oracle/gold.py'), ...args], { maxBuffer: 256 << 20, timeout: TIMEOUT_MS }).then(({ stdout }) => JSON.parse(stdout));

const KEPT = new Set(['n', 'error']);
/** An answer whose every value is another. @param {any} node @returns {any} */
function changed(node) {
  if (Array.isArray(node)) return node.map(changed);
  if (node === null || typeof node !== 'object') return node;
  const members = Object.entries(node).map(([name, member]) => [name, typeof member === 'number' && !KEPT.has(name) ? member * 1.01 + 1 : changed(member)]);
  return Object.fromEntries(members);
}

/** The day in a zone, `2026-11-22`. @param {string} timeZone */
function dateIn(timeZone) {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  return (/** @type {number} */ ms) => format.format(ms);
}

/** Windows that are asked for, up to each zone's own today. @param {number} now */
function windows(now) {
  const wanted = [];
  for (const tz of ZONES) {
    const date = dateIn(tz);
    const to = date(now);
    const [year, month] = [to.slice(0, 4), Number(to.slice(5, 7))];
    const first = (/** @type {number} */ of) => `${year}-${String(of).padStart(2, '0')}-01`;
    wanted.push({ name: `today, ${tz}`, from: to, to, tz });
    wanted.push({ name: `30 days, ${tz}`, from: date(now - 29 * DAY_MS), to, tz });
    wanted.push({ name: `month, ${tz}`, from: first(month), to, tz });
    wanted.push({ name: `year, ${tz}`, from: date(now - 364 * DAY_MS), to, tz });
    if (tz === 'UTC') {
      wanted.push({ name: '7 days, UTC', from: date(now - 6 * DAY_MS), to, tz });
      wanted.push({ name: '90 days, UTC', from: date(now - 89 * DAY_MS), to, tz });
      wanted.push({ name: 'quarter, UTC', from: first(Math.floor((month - 1) / 3) * 3 + 1), to, tz });
      wanted.push({ name: 'instants, UTC', from: `${date(now - 40 * DAY_MS)}T10:07:00Z`, to: `${date(now - 36 * DAY_MS)}T15:30:00Z`, tz });
    }
  }
  // Days of 23 and 25 hours.
  const changes = changesOf('America/St_Johns', now - 360 * DAY_MS, now).slice(-2);
  for (const [n, change] of changes.entries()) {
    for (const tz of ZONES.slice(1)) wanted.push({ name: `change ${n + 1}, ${tz}`, from: dateIn(tz)(change - 15 * DAY_MS), to: dateIn(tz)(Math.min(now, change + 15 * DAY_MS)), tz });
  }
  return wanted;
}

describe('gold', { timeout: 3 * TIMEOUT_MS }, () => {
  /** @type {string} */ let folder;
  /** @type {Awaited<ReturnType<typeof history>>} */ let year;
  /** @type {Awaited<ReturnType<typeof startOrigin>>} */ let origin;
  /** Of the first run. @type {{ answer: any, name: string }[]} */ let first = [];
  before(async () => {
    await keepOffMidnight(ZONES, 60_000 + EVENTS / 2);
    folder = await mkdtemp(join(tmpdir(), 'sage-gold-'));
    origin = await startOrigin(app);
    year = await history({ folder, events: EVENTS, seed: SEED });
    await oracle(['load', join(folder, 'gold.duckdb'), join(folder, 'erased.json'), ...year.files]);
  });
  after(async () => {
    await origin?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  for (const shards of SHARDS) {
    test(`${EVENTS} events, ${shards} Shard(s): every row of the page`, { timeout: TIMEOUT_MS }, async (t) => {
      const sage = await startSage({ origin: origin.url, shards, settings: { client: { country: 'cloudfront' }, budget: BUDGET } });
      try {
        const began = Date.now();
        const tally = emptyTally();
        // The year is sent from its end the second time: what is said must be the same.
        for (const file of year.files) await replay(sage, file, tally, { backwards: shards > 1 && file.endsWith('events-1.ndjson') });
        const sent = (Date.now() - began) / 1_000;
        const wrong = (await sage.send(WRONG, { as: 'ndjson' })).json;
        assert.equal(wrong.dead_lettered, WRONG.length);
        const random = seeded(SEED + 5);
        const requests = await visitApp(sage, random, REQUESTS);
        const vitals = await sendVitals(sage, random, 20);
        for (const who of year.erased) {
          const reply = await sage.request(`/sage/v1/users/${who}`, { method: 'DELETE', headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
          assert.ok(reply.status < 300, reply.text);
        }
        await until('every request and Shard', async () => {
          const { operations } = (await sage.sage('panel=operations')).panels;
          return operations.requests.total.value >= REQUESTS && operations.shards.every((/** @type {any} */ one) => one.reachable);
        }, { ms: 30_000 });
        const asked = [];
        for (const window of windows(Date.now())) asked.push({ ...window, answer: await sage.sage(new URLSearchParams({ from: window.from, to: window.to, tz: window.tz }).toString()) });

        const unequal = asked.flatMap(({ name, answer }) => {
          const { wrong: off, checked } = sums(answer.panels);
          assert.ok(checked >= 5);
          return off.map((text) => `${name}: sum of ${text}`);
        });
        const intake = { ...tally, received: tally.received + wrong.received + requests.length + vitals.length, dead_lettered: tally.dead_lettered + wrong.dead_lettered, stored: tally.stored + requests.length + vitals.length, from_ms: began };
        await writeFile(join(folder, 'told.json'), JSON.stringify({ salt: SALT, shards, budget: { day: BUDGET.day_usd * NANO, month: BUDGET.month_usd * NANO, user_month: BUDGET.user_month_usd * NANO }, requests, vitals, intake }));
        const check = async (/** @type {any[]} */ list, /** @type {string[]} */ ...more) => {
          await writeFile(join(folder, 'answers.json'), JSON.stringify(list));
          return oracle(['check', join(folder, 'gold.duckdb'), join(folder, 'told.json'), join(folder, 'answers.json'), ...more]);
        };
        const table = `${process.env.SAGE_GOLD_TABLE ?? join(folder, 'table')}.${shards}`;
        const report = await check(asked, '--table', table);
        t.diagnostic(`${tally.received} events sent in ${sent.toFixed(1)} s; ${JSON.stringify(year.kinds)} of ${year.people} people`);
        for (const one of report.windows) t.diagnostic(`${one.name}: ${one.equal} equal, ${one.differing} differ, in ${one.seconds} s`);
        for (const row of report.rows) t.diagnostic(`${row.row}: ${row.equal} equal, ${row.differing} differ, ${row.missing} missing${row.reason ? ` (${row.reason})` : ''}`);
        // Were any of it wrong, it would be found.
        const quarter = asked.filter(({ name }) => name === '90 days, UTC');
        const [sound, spoilt] = [await check(quarter), await check(quarter.map((one) => ({ ...one, answer: changed(one.answer) })))];
        const found = new Set(spoilt.rows.filter((/** @type {any} */ row) => row.differing).map((/** @type {any} */ row) => row.row));
        const blind = sound.rows.filter((/** @type {any} */ row) => row.equal && !row.reason && !found.has(row.row)).map((/** @type {any} */ row) => `${row.row} may say anything`);
        const faults = [...unequal, ...blind, ...report.notes, ...Object.keys(report.unexplained).map((path) => `no row explains ${path}`), ...report.rows.filter((/** @type {any} */ row) => row.missing).map((/** @type {any} */ row) => `${row.row} is not there`)];
        const here = asked.map(({ name, answer }) => ({ name, answer }));
        for (const [n, { name, answer }] of here.entries()) {
          const other = first[n];
          if (other) faults.unshift(...differences(other.answer, answer).slice(0, 20).map((text) => `${name}, by 1 Shard and by ${shards}, in two orders: ${text}`));
        }
        first = here;
        assert.ok(!report.failed && !faults.length, `${faults.length} faults:\n${faults.slice(0, FAULTS_SHOWN).join('\n')}`);
      } finally {
        await sage.stop();
      }
    });
  }
});
