// @ts-check
// What a User-Agent costs in WASM: the first of an isolate, one of many, and the memory that stays; beside the known readers of the
// same list, which run natively, a process each. Sage also tells the device and the robot in that time.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, startSageBare } from '../lib/bench-workerd.mjs';
import { folder } from '../lib/uap-core.mjs';
import { details, digits, figure, judge, millis, quick, show } from './measure.mjs';

const TIMES = 200;

/** Texts of people as they come, and a robot among twenty. @returns {string[]} */
function texts() {
  /** @type {{ userAgent: string }[]} */
  const people = JSON.parse(readFileSync(join(ROOT, 'node_modules/user-agents/dist/user-agents.json'), 'utf8'));
  const some = [...new Set(people.map((one) => one.userAgent))].filter((_, i) => i % 5 === 0);
  return some.map((text, i) => (i % 20 === 19 ? 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' : text));
}

/** @param {string[]} list */
async function ofSage(list) {
  const worker = await startSageBare({ build: process.env.SAGE_FAULT_BUILD ?? join(ROOT, 'target/edge-faults'), inspected: true });
  /** @param {string[]} some @param {number} times */
  const cpuMs = async (some, times) => {
    const before = worker.cpuMs();
    const reply = await fetch(`${worker.url}/sage/__ua?${times}`, { method: 'POST', body: some.map((text) => JSON.stringify(text)).join('\n') });
    if (reply.status !== 200 || !/^\d+$/.test(await reply.text())) throw new Error(`reading a User-Agent answered ${reply.status}`);
    return worker.cpuMs() - before;
  };
  try {
    // Nothing to read: the route itself is compiled, the reader is not.
    for (let i = 0; i < 5; i += 1) await cpuMs([], 1);
    const empty = await worker.isolate();
    const none = figure(await inOrder(7, () => cpuMs([], 1))).median;
    const first = (await cpuMs(list.slice(0, 1), 1)) - none;
    const memory = (await worker.isolate()).bytes - empty.bytes;
    await cpuMs(list, 20);
    const warm = (await inOrder(quick ? 3 : 5, async () => ((await cpuMs(list, TIMES)) - (await cpuMs(list, 1))) * 1000 / (list.length * (TIMES - 1)))).sort((a, b) => a - b);
    return { first: Math.max(0, first), warm: warm[warm.length >> 1] ?? NaN, memory };
  } finally {
    await worker.stop();
  }
}

/** @param {number} times @param {() => Promise<number>} one */
async function inOrder(times, one) {
  const results = [];
  for (let i = 0; i < times; i += 1) results.push(await one());
  return results;
}

export async function userAgent() {
  const list = texts();
  execFileSync('cargo', ['build', '--quiet', '--release', '-p', 'collector', '--example', 'user_agent_baselines'], { cwd: ROOT, stdio: 'inherit' });
  const regexes = join(folder(), 'regexes.yaml');
  /** @type {Record<string, { cold_ms: number, warm_us: number, bytes: number }[]>} */ const others = { uaparser: [], 'ua-parser': [] };
  /** @type {{ first: number, warm: number, memory: number }[]} */ const ours = [];
  for (let round = 0; round < (quick ? 3 : 5); round += 1) {
    ours.push(await ofSage(list));
    for (const [name, told] of Object.entries(others)) {
      told.push(JSON.parse(execFileSync(join(ROOT, 'target/release/examples/user_agent_baselines'), [name, regexes], { input: list.join('\n') }).toString()));
    }
  }
  const [cold, warm, memory] = [figure(ours.map((one) => one.first)), figure(ours.map((one) => one.warm)), figure(ours.map((one) => one.memory / 2 ** 20))];
  /** @param {'cold_ms' | 'warm_us' | 'bytes'} what @param {string} unit @param {number} per */
  const beside = (what, unit, per) => Object.entries(others).map(([name, told]) => `${name} ${digits(figure(told.map((one) => one[what] / per)).median)} ${unit}`).join(', ');
  judge('first User-Agent of an isolate, CPU', show(cold, ' ms'), beside('cold_ms', 'ms', 1), cold.median, 5, 'most', millis);
  judge('a User-Agent, device and robot with it, CPU', show(warm, ' µs'), beside('warm_us', 'µs', 1), warm.median, 30, 'most', (n) => `${n.toFixed(1)} µs`);
  judge('memory that stays', show(memory, ' MiB'), beside('bytes', 'MiB', 2 ** 20), memory.median, 8, 'most', (n) => `${n.toFixed(2)} MiB`);
  details.user_agent = { cold, warm, memory, others };
}
