// @ts-check
// Calls to a model provider through `/sage/llm/`: what reading them costs, beside the three-line pass-through, and beside one that
// looks at every chunk.

import { once } from 'node:events';
import { startSageBare, startWorkerd } from '../lib/bench-workerd.mjs';
import { CALL_NANO_USD, ask } from './chat.mjs';
import { CONNECTIONS, ROUND_MS, added, answered, details, equal, file, helper, inTurns, judge, numbers, pace, percentile, ratios, show, tell, times } from './measure.mjs';

/** @typedef {import('./measure.mjs').Running} Running */

const CHUNKS = 40;
const PAUSE_MS = 10;
const PACED_CONNECTIONS = 8;
/** Calls whose first byte is waited for: of few chunks, apart from each other, so that nothing else wants the processors meanwhile. */
const ALONE = { chunks: 3, pause: 2, pauseMs: 5 };
/** Longest that the turns of replies already given take to be stored. */
const SETTLED_MS_MAX = 20_000;

/** @type {[string, string, string][]} */
const KINDS = [
  ['gateway_stream', ask(), `a chat stream of ${CHUNKS} chunks, usage hidden`],
  ['gateway_stream_asked', ask({ usage: true }), `a chat stream of ${CHUNKS} chunks, usage asked for`],
  ['gateway_json', ask({ stream: false }), 'a chat reply in JSON'],
];

export const localProvider = (/** @type {string} */ base_url) => ({ gateway: { providers: { local: { base_url, prices: 'openai', ask_for_usage: true } } } });
export const LOCAL = '/sage/llm/local';

export async function gateway() {
  const model = await helper('model.mjs');
  const [port] = await once(model, 'message');
  const url = `http://127.0.0.1:${port}`;
  const workers = {
    js: await startWorkerd({ files: [file('baselines/pass.js')], vars: { ORIGIN: url } }),
    look: await startWorkerd({ files: [file('baselines/look.js')], vars: { ORIGIN: url } }),
    sage: await startSageBare({ settings: localProvider(url) }),
  };
  const before = answered.get(workers.sage.port) ?? 0;
  try {
    for (const [kind, body, name] of KINDS) {
      const call = (/** @type {number} */ connections, { chunks = CHUNKS, pause = 0, pauseMs = 0 } = {}) => (/** @type {string} */ worker) =>
        ({ path: `${worker === 'sage' ? LOCAL : ''}/v1/chat/completions?chunks=${chunks}&pause=${pause}`, connections, body, pauseMs });
      const flat = await inTurns(workers, call(CONNECTIONS));
      const [ratio, beside] = [ratios(flat.sage, flat.js), ratios(flat.sage, flat.look)];
      tell(`gateway, ${name}, no pause`, pace(flat.sage), pace(flat.js), times(ratio.median), ratio);
      tell('the same, beside JavaScript that looks at every chunk', pace(flat.sage), pace(flat.look), times(beside.median), beside);
      const alone = await inTurns(workers, call(1, ALONE));
      differences(name, 'first byte', 'firstByte', alone, 0.3);
      details[kind] = { flat, ratio, beside, alone };
      if (kind === 'gateway_json') continue;
      const paced = await inTurns(workers, call(PACED_CONNECTIONS, { pause: PAUSE_MS }));
      differences(name, `a chunk, ${PAUSE_MS} ms apart`, 'chunk', paced);
      details[kind].paced = paced;
    }
    await counts(workers.sage, (answered.get(workers.sage.port) ?? 0) - before);
  } finally {
    await Promise.all(Object.values(workers).map((worker) => worker.stop()));
    model.disconnect();
  }
}

/**
 * What Sage adds to a wait, and what looking adds.
 * @param {string} name @param {string} of @param {'firstByte' | 'chunk'} what
 * @param {Record<'js' | 'look' | 'sage', import('./measure.mjs').Round[]>} rounds @param {number} [budget] Of the median.
 */
function differences(name, of, what, rounds, budget) {
  for (const p of /** @type {const} */ ([50, 99])) {
    const [ours, look, theirs] = [percentile(rounds.sage, what, p), percentile(rounds.look, what, p), percentile(rounds.js, what, p)];
    const title = `${name}: ${of}, p${p}`;
    const baseline = `${show(theirs, ' ms')}; looking ${added(look.median - theirs.median)}`;
    const more = ours.median - theirs.median;
    if (budget !== undefined && p === 50) judge(title, show(ours, ' ms'), baseline, more, budget, 'most', added);
    else tell(title, show(ours, ' ms'), baseline, added(more));
  }
}

/** Every reply that was given is a turn with its exact price. @param {Running} sage @param {number} replies */
export async function counts(sage, replies) {
  const until = Date.now() + SETTLED_MS_MAX;
  let turns = 0;
  let spend = 0;
  do {
    const { panels } = await numbers(sage, '?panel=usage,cost');
    [turns, spend] = [panels.usage.turns.value ?? 0, panels.cost.spend.value ?? 0];
  } while (turns < replies && Date.now() < until);
  equal('gateway calls that /sage counts', turns, replies, 'answered');
  equal('what they cost, nano-dollars', spend, replies * CALL_NANO_USD, 'by the price list');
}
