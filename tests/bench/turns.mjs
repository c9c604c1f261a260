// @ts-check
// Batches of turns as an app's backend would send them. Ids are patched in place, so that a load client can make every
// event new without making text.

const ID_DIGITS = 20;

/** Numbers that repeat from run to run. @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @type {[string, string, (input: number, output: number) => object][]} */
const MODELS = [
  ['anthropic', 'claude-sonnet-4-5-20250929', (input, output) => ({
    input_tokens: input, output_tokens: output, cache_creation_input_tokens: 0, cache_read_input_tokens: input * 2,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 }, service_tier: 'standard',
  })],
  ['anthropic', 'claude-haiku-4-5', (input, output) => ({ input_tokens: input, output_tokens: output, cache_creation_input_tokens: 100, cache_read_input_tokens: 0 })],
  ['openai', 'gpt-4o', (input, output) => ({
    prompt_tokens: input, completion_tokens: output, total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: input >> 1, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  })],
  ['openai', 'gpt-5-mini', (input, output) => ({
    input_tokens: input, input_tokens_details: { cached_tokens: 0 }, output_tokens: output,
    output_tokens_details: { reasoning_tokens: output >> 1 }, total_tokens: input + output,
  })],
  ['google', 'gemini-2.5-flash', (input, output) => ({ promptTokenCount: input, candidatesTokenCount: output, totalTokenCount: input + output })],
];

/** Turns of one visit. */
const VISIT_TURNS = 5;
/** @param {number} user */
const userName = (user) => `user-${String(user).padStart(8, '0')}`;

/**
 * One turn.
 * @param {() => number} next
 * @param {{ id: string, ts: number, user: number, turnIndex: number }} of
 */
export function turn(next, { id, ts, user, turnIndex }) {
  const [provider, model, usage] = MODELS[Math.floor(next() ** 2 * MODELS.length)] ?? MODELS[0];
  const output = 20 + Math.floor(next() * 900);
  return {
    type: 'turn', id, ts: new Date(ts).toISOString(), user_id: userName(user), conversation_id: `conversation-of-${userName(user)}-1`,
    turn_index: turnIndex, provider, model, feature: next() < 0.8 ? 'chat' : 'summary', status: 'ok',
    latency_ms: 400 + Math.floor(next() * 4000), ttft_ms: 100 + Math.floor(next() * 600),
    user_chars: Math.floor(next() * 600), assistant_chars: output * 4,
    provider_usage: usage(200 + Math.floor(next() * 4000), output),
  };
}

/**
 * @typedef {object} Template
 * @property {Buffer} bytes A JSON array of turns.
 * @property {number[]} ids Where their ids stand.
 * @property {[number, number][]} users Where names of people stand, and whose.
 * @property {number} people
 */

/**
 * Bodies of `size` turns each: visits of five turns of people who are out of `users`, between `from` and `to`.
 * @param {{ batches: number, size: number, users: number, from: number, to: number, seed: number }} options
 * @returns {Template[]}
 */
export function templates({ batches, size, users, from, to, seed }) {
  const next = random(seed);
  return Array.from({ length: batches }, () => {
    const visits = Array.from({ length: Math.ceil(size / VISIT_TURNS) }, () => ({ user: Math.floor(next() * users), ts: from + Math.floor(next() * (to - from)) }));
    const turns = Array.from({ length: size }, (_, i) => {
      const visit = visits[Math.floor(i / VISIT_TURNS)] ?? { user: 0, ts: from };
      const ts = Math.min(to, visit.ts + (i % VISIT_TURNS) * 40_000);
      return turn(next, { id: '#'.repeat(ID_DIGITS - 2) + String(i).padStart(2, '0'), ts, user: visit.user, turnIndex: i % VISIT_TURNS });
    });
    const bytes = Buffer.from(JSON.stringify(turns));
    const text = bytes.toString('latin1');
    return {
      bytes, people: users,
      ids: [...text.matchAll(/#{18}/g)].map((match) => match.index),
      users: [...text.matchAll(/user-(\d{8})/g)].map((match) => [match.index + 5, Number(match[1])]),
    };
  });
}

/** Four characters that follow no order, as ids of apps do not. @param {number} number */
function scattered(number) {
  let bits = Math.imul(number ^ 0x5bd1e995, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  return (((bits ^ (bits >>> 13)) >>> 0) % 36 ** 4).toString(36).padStart(4, '0');
}

/**
 * Makes a body new: ids of the run and the number of the request, before the position in the batch; other people at each request.
 * @param {Template} template
 * @param {string} run 8 characters
 * @param {number} request
 */
export function renumber({ bytes, ids, users, people }, run, request) {
  const text = run + request.toString(36).padStart(ID_DIGITS - 6 - run.length, '0');
  ids.forEach((place, i) => bytes.write(scattered(request * ids.length + i) + text, place, 'latin1'));
  const shift = (request * 7919) % people;
  for (const [place, user] of users) bytes.write(String((user + shift) % people).padStart(8, '0'), place, 'latin1');
  return bytes;
}
