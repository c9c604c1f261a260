// @ts-check
// The Worker's weight, and what it takes to start it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BUILD, startSageBare, startWorkerd } from '../lib/bench-workerd.mjs';
import { details, figure, file, judge, millis, quick, show } from './measure.mjs';

/** Starts a Worker cold and asks it once. @param {() => Promise<import('./measure.mjs').Running>} start @param {string} path */
async function cold(start, path) {
  const worker = await start();
  await (await fetch(worker.url + path)).arrayBuffer();
  const used = worker.cpuMs();
  await worker.stop();
  return used;
}

export async function size() {
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
