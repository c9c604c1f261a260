// @ts-check
// How a figure is taken: rounds in turns, so that a busy machine slows all alike; medians of the rounds, with their range;
// judged against a budget, or told where there is none.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { SECRETS } from '../lib/bench-workerd.mjs';

/** @typedef {import('../lib/bench-workerd.mjs').Running} Running */
/** @typedef {import('./load.mjs').Job} Job */
/** @typedef {import('./load.mjs').Load} Load */
/** @typedef {{ median: number, min: number, max: number }} Figure */
/** @typedef {{ load: Load, cpuUs: number, rate: number }} Round CPU of the Worker a request; requests a second. */
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

export const quick = process.argv.includes('--quick');
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice(7).split(',');
export const wanted = (/** @type {string} */ part) => !only || only.includes(part);
export const ROUNDS = quick ? 3 : 5;
export const ROUND_MS = quick ? 1000 : 2000;
export const CONNECTIONS = 16;

/** @type {Line[]} */ export const lines = [];
/** @type {Record<string, any>} */ export const details = {};
/** @type {string[]} */ export const failures = [];
/** Replies of 200 that the Worker at a port has given. @type {Map<number, number>} */
export const answered = new Map();
/** Events that the Worker at a port has acknowledged. @type {Map<number, number>} */
export const acknowledged = new Map();

export const file = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

/** A process of its own that ends with this one. @param {string} name */
export async function helper(name) {
  const child = fork(file(name), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.once('exit', (code) => { if (code) throw new Error(`${name} ended with ${code}`); });
  return child;
}

/** @type {Promise<import('node:child_process').ChildProcess> | undefined} */ let client;

/** Runs a job in the load client. @param {Job} job @returns {Promise<Load>} */
export async function load(job) {
  const process = await (client ??= helper('load.mjs'));
  process.send(job);
  const [result] = await once(process, 'message');
  if (result.errors) failures.push(`${job.path}: ${result.errors} errors, such as: ${result.samples[0]}`);
  if (!result.requests) failures.push(`${job.path}: nothing was answered`);
  const add = (/** @type {Map<number, number>} */ sums, /** @type {number} */ count) => sums.set(job.port, (sums.get(job.port) ?? 0) + count);
  add(answered, result.requests);
  add(acknowledged, result.stored);
  return result;
}

/** Ends the load client. */
export async function closeClient() {
  (await client)?.disconnect();
}

/** @param {number[]} values @returns {Figure} */
export function figure(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1] ?? NaN, min: sorted[0] ?? NaN, max: sorted[sorted.length - 1] ?? NaN };
}

export const digits = (/** @type {number} */ n) => (n >= 100 ? Math.round(n).toLocaleString('en') : n.toPrecision(3));
export const show = (/** @type {Figure} */ f, unit = '') => `${digits(f.median)}${unit} (${digits(f.min)}–${digits(f.max)})`;
export const times = (/** @type {number} */ n) => `${n.toFixed(2)} ×`;
export const millis = (/** @type {number} */ n) => `${n.toFixed(2)} ms`;
export const added = (/** @type {number} */ n) => `${n < 0 ? '−' : '+'}${millis(Math.abs(n))}`;
export const thousand = (/** @type {number} */ n) => `${Math.round(n / 1000).toLocaleString('en')} thousand`;
export const mib = (/** @type {number} */ bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

/**
 * Measures in turns: one round of each, then the next.
 * @template {string} Name
 * @param {Record<Name, Running>} workers
 * @param {(name: Name) => Omit<Job, 'port' | 'ms'>} job
 * @param {number} [ms]
 */
export async function inTurns(workers, job, ms = ROUND_MS) {
  const names = /** @type {Name[]} */ (Object.keys(workers));
  /** @type {Record<string, Round[]>} */ const results = Object.fromEntries(names.map((name) => [name, []]));
  for (const name of names) await load({ ...job(name), port: workers[name].port, ms: ms / 2 });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) {
      const worker = workers[name];
      const before = worker.cpuMs();
      const result = await load({ ...job(name), port: worker.port, ms });
      results[name]?.push({ load: result, cpuUs: ((worker.cpuMs() - before) * 1000) / result.requests, rate: (result.requests / result.ms) * 1000 });
    }
  }
  return /** @type {Record<Name, Round[]>} */ (results);
}

/** Requests a second and CPU a request. @param {Round[]} rounds */
export const pace = (rounds) => `${show(figure(rounds.map((round) => round.rate)))}/s, ${digits(figure(rounds.map((round) => round.cpuUs)).median)} µs CPU`;

/** A percentile of every round. @param {Round[]} rounds @param {'latency' | 'firstByte' | 'chunk'} what @param {50 | 99} p */
export const percentile = (rounds, what, p) => figure(rounds.map((round) => round.load[what][p === 50 ? 0 : 2] ?? NaN));

/**
 * The ratio round by round: what the machine did meanwhile happened to both.
 * @param {{ rate: number }[]} ours @param {{ rate: number }[]} theirs
 */
export const ratios = (ours, theirs) => figure(ours.map((round, i) => round.rate / (theirs[i]?.rate ?? NaN)));

const between = (/** @type {Figure | undefined} */ range) => (range ? ` (${range.min.toFixed(2)}–${range.max.toFixed(2)})` : '');

/** @param {string} name @param {string} sage @param {string} baseline @param {number} result @param {number} budget @param {'least' | 'most'} bound @param {(n: number) => string} text @param {Figure} [range] */
export function judge(name, sage, baseline, result, budget, bound, text, range) {
  const within = bound === 'least' ? result >= budget : result <= budget;
  lines.push({ name, sage, baseline, result: text(result) + between(range), budget: `${bound === 'least' ? '≥' : '≤'} ${text(budget)}`, within, ofBudget: budget ? result / budget : undefined });
}

/** A figure that has no budget. @param {string} name @param {string} sage @param {string} baseline @param {string} result @param {Figure} [range] */
export function tell(name, sage, baseline, result, range) {
  lines.push({ name, sage, baseline, result: result + between(range), budget: '–', within: true });
}

/** A count that must be exact. @param {string} name @param {number} counted @param {number} expected @param {string} of */
export function equal(name, counted, expected, of) {
  const within = counted === expected;
  if (!within) failures.push(`${name}: ${counted} instead of ${expected} ${of}`);
  lines.push({ name, sage: counted.toLocaleString('en'), baseline: `${expected.toLocaleString('en')} ${of}`, result: within ? 'equal' : 'NOT EQUAL', budget: 'equal', within });
}

/** What `GET /sage` says. @param {Running} sage @param {string} query */
export async function numbers(sage, query) {
  const reply = await fetch(`${sage.url}/sage${query}`, { headers: { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, accept: 'application/json' } });
  if (reply.status !== 200) throw new Error(`GET /sage: ${reply.status} ${await reply.text()}`);
  return /** @type {any} */ (await reply.json());
}
