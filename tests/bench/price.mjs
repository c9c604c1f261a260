// @ts-check
// What the price of a turn costs in WASM: the process's CPU for many turns less that for none, in the build that can be told to.

import { join } from 'node:path';
import { ROOT, startSageBare } from '../lib/bench-workerd.mjs';
import { details, figure, judge, quick, show } from './measure.mjs';

const TURNS = 300_000;

export async function price() {
  const worker = await startSageBare({ build: process.env.SAGE_FAULT_BUILD ?? join(ROOT, 'target/edge-faults') });
  try {
    /** @param {number} turns */
    const cpuMs = async (turns) => {
      const before = worker.cpuMs();
      const reply = await fetch(`${worker.url}/sage/__price?${turns}`);
      const sum = Number(await reply.text());
      if (reply.status !== 200 || (turns > 0 && !(sum > 0))) throw new Error(`pricing answered ${reply.status}, ${sum}`);
      return worker.cpuMs() - before;
    };
    await cpuMs(TURNS);
    /** @type {number[]} */ const rounds = [];
    for (let round = 0; round < (quick ? 3 : 7); round += 1) {
      const none = await cpuMs(0);
      rounds.push(((await cpuMs(TURNS)) - none) * 1000 / TURNS);
    }
    const us = figure(rounds);
    judge('price of a turn, with the words that are stored, CPU in WASM', show(us, ' µs'), '–', us.median, 2, 'most', (n) => `${n.toFixed(2)} µs`);
    details.price = { us, turns: TURNS };
  } finally {
    await worker.stop();
  }
}
