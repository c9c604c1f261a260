// @ts-check
// The app's replies as they pass. Streams in two ways: with turns looked for in them, and as the host's own.

import { once } from 'node:events';
import { startSageBare, startWorkerd } from '../lib/bench-workerd.mjs';
import { CONNECTIONS, ROUND_MS, added, details, file, helper, inTurns, judge, load, pace, percentile, ratios, show, tell, times, wanted } from './measure.mjs';

/** What is asked, of whom, and what it is called. @type {[string, string, 'sage' | 'untouched', string][]} */
const KINDS = [
  ['pass', '/16k', 'sage', 'pass-through of 16 KiB'],
  ['stream', '/stream', 'sage', 'pass-through of a reply in 20 chunks, turns looked for'],
  ['stream', '/stream', 'untouched', 'pass-through of a reply in 20 chunks, turns_in_streams = false'],
];

export async function passThrough() {
  const origin = await helper('origin.mjs');
  const [port] = await once(origin, 'message');
  const url = `http://127.0.0.1:${port}`;
  const workers = {
    js: await startWorkerd({ files: [file('baselines/pass.js')], vars: { ORIGIN: url } }),
    look: await startWorkerd({ files: [file('baselines/look.js')], vars: { ORIGIN: url } }),
    sage: await startSageBare({ origin: url }),
    untouched: await startSageBare({ origin: url, settings: { capture: { turns_in_streams: false } } }),
  };
  try {
    const direct = await load({ port, path: '/16k', connections: CONNECTIONS, ms: 500 });
    details.client = { direct_requests_per_s: Math.round((direct.requests / direct.ms) * 1000) };
    for (const [kind, path, worker, name] of KINDS.filter(([kind]) => wanted(kind))) {
      const compared = { js: workers.js, look: workers.look, ours: workers[worker] };
      const rounds = await inTurns(compared, () => ({ path, connections: CONNECTIONS }));
      const ratio = ratios(rounds.ours, rounds.js);
      judge(name, pace(rounds.ours), pace(rounds.js), ratio.median, 0.8, 'least', times, ratio);
      if (kind === 'stream') {
        const beside = ratios(rounds.ours, rounds.look);
        tell('the same, beside JavaScript that looks at every chunk', pace(rounds.ours), pace(rounds.look), times(beside.median), beside);
      }
      // First byte, one request at a time: what a person waits, not what a queue adds.
      const alone = await inTurns(compared, () => ({ path, connections: 1 }), ROUND_MS / 2);
      const [ours, theirs] = [percentile(alone.ours, 'firstByte', 50), percentile(alone.js, 'firstByte', 50)];
      judge(`${name}: first byte, p50`, show(ours, ' ms'), show(theirs, ' ms'), ours.median - theirs.median, 0.3, 'most', added);
      details[`${kind}_${worker}`] = { ...rounds, ratio, first_byte_ms: { sage: ours, js: theirs } };
    }
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
    origin.disconnect();
  }
}
