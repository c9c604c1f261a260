// @ts-check
// Memory of many streams at once: waves of calls that all wait in the middle of their reply until everyone is there.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSageBare, startWorkerd } from '../lib/bench-workerd.mjs';
import { ask } from './chat.mjs';
import { LOCAL, counts, localProvider } from './gateway.mjs';
import { details, failures, file, helper, judge, load, mib, tell } from './measure.mjs';

/** @typedef {import('./measure.mjs').Running} Running */
/** @typedef {{ isolate: number, wasm: number, rss: number }} Memory Bytes; WASM's is part of the isolate's. */
/** @typedef {{ before: Memory, open: Memory[], after: Memory[] }} Taken One of each a wave. */

const STREAMS = 1000;
const WAVES = 4;
const CHUNKS = 40;
const PAUSE_MS = 10;
/** Longest that all streams take to reach their middle. */
const OPEN_MS_MAX = 30_000;
/** What may be left of a wave, bytes: the turns that the isolate counts. */
const LEFT_BYTES_MAX = 1 << 20;

export async function waves() {
  const model = await helper('model.mjs');
  const [port] = await once(model, 'message');
  const url = `http://127.0.0.1:${port}`;
  const look = await startWorkerd({ files: [file('baselines/look.js')], vars: { ORIGIN: url }, inspected: true });
  const sage = await startSageBare({ settings: localProvider(url), inspected: true });
  try {
    const theirs = await take(look, '', model);
    const ours = await take(sage, LOCAL, model);
    await counts(sage, 1 + STREAMS * WAVES);
    report(ours, theirs);
  } finally {
    await Promise.all([sage.stop(), look.stop()]);
    model.disconnect();
  }
}

/** @param {Running} worker @returns {Promise<Memory>} */
async function memory(worker) {
  const { bytes, wasm } = await worker.isolate();
  return { isolate: bytes, wasm, rss: worker.rssBytes() };
}

/** @param {Running} worker @param {string} prefix Of the path. @param {import('node:child_process').ChildProcess} model @returns {Promise<Taken>} */
async function take(worker, prefix, model) {
  const path = `${prefix}/v1/chat/completions?chunks=${CHUNKS}&pause=${PAUSE_MS}`;
  const call = { port: worker.port, path, body: ask(), ms: 0 };
  await load({ ...call, connections: 1 });
  /** @type {Taken} */ const taken = { before: await memory(worker), open: [], after: [] };
  for (let wave = 0; wave < WAVES; wave += 1) {
    const replies = load({ ...call, path: `${path}&gate=1`, connections: STREAMS });
    await gathered(model);
    taken.open.push(await memory(worker));
    model.send('go');
    await replies;
    taken.after.push(await memory(worker));
  }
  return taken;
}

/** Waits until all streams of a wave are in their middle. @param {import('node:child_process').ChildProcess} model */
async function gathered(model) {
  let waiting = 0;
  for (const until = Date.now() + OPEN_MS_MAX; waiting < STREAMS && Date.now() < until; await sleep(50)) {
    model.send('how many?');
    [waiting] = await once(model, 'message');
  }
  if (waiting !== STREAMS) failures.push(`${waiting} of ${STREAMS} streams were open at once`);
}

/** @param {Taken} ours @param {Taken} theirs */
function report(ours, theirs) {
  const list = (/** @type {Memory[]} */ of, /** @type {keyof Memory} */ what) => of.map((memory) => Math.round(memory[what] / 2 ** 20)).join(' ');
  const all = (/** @type {Memory[]} */ of) => `isolate ${list(of, 'isolate')} MiB, process ${list(of, 'rss')} MiB`;
  const each = (/** @type {Taken} */ of) => (of.open.reduce((sum, open) => sum + open.isolate, 0) / of.open.length - of.before.isolate) / STREAMS / 1024;
  const name = `${STREAMS.toLocaleString('en')} gateway streams at once, ${WAVES} waves`;
  tell(`${name}: all open`, all(ours.open), `${all(theirs.open)} (looking)`, `${each(ours).toFixed(1)} KiB a stream; looking ${each(theirs).toFixed(1)}`);
  const growth = (/** @type {Taken} */ of, /** @type {keyof Memory} */ what) => ((of.after.at(-1)?.[what] ?? NaN) - (of.after[0]?.[what] ?? NaN)) / (WAVES - 1);
  const before = (/** @type {Taken} */ of) => `, from ${mib(of.before.isolate)} and ${mib(of.before.rss)}`;
  judge(`${name}: after each`, all(ours.after) + before(ours), all(theirs.after) + before(theirs), growth(ours, 'isolate') / 2 ** 20, LEFT_BYTES_MAX / 2 ** 20, 'most', (n) => `${n.toFixed(2)} MiB a wave`);
  details.waves = { streams: STREAMS, sage: ours, look: theirs };
}
