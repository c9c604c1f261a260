// @ts-check
// A chat reply as OpenAI's API gives it, whole or as a stream. Each chunk can say when it was sent.

/** What a call of the benchmark costs: gpt-4o, 2.50 / 1.25 cached / 10 USD a million: 1000 × 2.5 + 200 × 1.25 + 340 × 10. */
export const CALL_NANO_USD = 6_150_000;
const USAGE = {
  prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_tokens_details: { cached_tokens: 200, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
};
const MARK = '"content":"sent at ';
const DIGITS = 18;

/** The body of a call. @param {{ stream?: boolean, usage?: boolean }} [how] */
export const ask = ({ stream = true, usage = false } = {}) => JSON.stringify({
  model: 'gpt-4o', ...(stream ? { stream } : {}), ...(usage ? { stream_options: { include_usage: true } } : {}),
  messages: [{ role: 'system', content: 'You answer in a few words. '.repeat(20) }, { role: 'user', content: 'How are streams read?' }],
});

const base = (/** @type {string} */ name) => ({ id: `chatcmpl-${name}`, object: 'chat.completion.chunk', created: 1763750000, model: 'gpt-4o-2024-08-06', service_tier: 'default', system_fingerprint: 'fp_44709d6fcb' });

/**
 * The chunks of a stream: `count` of them, the last with what ends it. `name` tells one reply from another.
 * @param {{ name: string, count: number, usage: boolean }} of
 */
export function chunks({ name, count, usage }) {
  const event = (/** @type {object} */ data) => `data: ${JSON.stringify(data)}\n\n`;
  const tells = usage ? { usage: null } : {};
  const chunk = (/** @type {object} */ delta, /** @type {string | null} */ finish_reason) =>
    event({ ...base(name), choices: [{ index: 0, delta, logprobs: null, finish_reason }], ...tells, obfuscation: 'k3Jf8s' });
  const content = Array.from({ length: count - 2 }, (_, at) => chunk({ content: `sent at ${'0'.repeat(DIGITS)}, – ${at} “usage”` }, null));
  const last = chunk({}, 'stop') + (usage ? event({ ...base(name), choices: [], usage: USAGE }) : '') + 'data: [DONE]\n\n';
  return [chunk({ role: 'assistant', content: '', refusal: null }, null), ...content, last].map((text) => Buffer.from(text));
}

/** The reply in one piece. @param {string} name */
export function whole(name) {
  const message = { role: 'assistant', content: 'As they pass, a chunk at a time. '.repeat(40), refusal: null, annotations: [] };
  return Buffer.from(JSON.stringify({ ...base(name), object: 'chat.completion', choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }], usage: USAGE }));
}

/** Writes into a chunk that it is sent now, by the clock that all processes of a machine share. @param {Buffer} bytes */
export function stamp(bytes) {
  const at = bytes.indexOf(MARK);
  if (at >= 0) bytes.write(String(process.hrtime.bigint()).padStart(DIGITS, '0'), at + MARK.length, 'latin1');
  return bytes;
}

/** When the chunks in `bytes` were sent, nanoseconds. @param {Buffer} bytes */
export function sentAt(bytes) {
  const sent = [];
  for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
    const digits = bytes.toString('latin1', at + MARK.length, at + MARK.length + DIGITS);
    if (digits.length === DIGITS) sent.push(Number(digits));
  }
  return sent;
}
