// @ts-check
/** Turns of a made-up month-end: real replies' usages, visits with pauses, people with and without sessions of their own. */
import { readFileSync } from 'node:fs';

import { seeded } from './sage.mjs';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Priced in tiers, by date, by cache, in audio; the last two are in no price list. */
const MODELS = [
  ['anthropic', 'claude-sonnet-4-5'], ['anthropic', 'claude-opus-4-1'], ['anthropic', 'claude-haiku-4-5-20251001'],
  ['openai', 'gpt-4o'], ['openai', 'gpt-4o-mini-2024-07-18'], ['openai', 'o3'], ['openai', 'gpt-5-mini'],
  ['google', 'gemini-2.5-pro'], ['google', 'gemini-2.5-flash'], ['deepseek', 'deepseek-chat'],
  ['openai', 'gpt-of-nowhere'], ['nobody', 'nothing-1'],
];

/** Usage blocks of real replies, as their providers sent them. */
export function realReplies() {
  const rows = readFileSync(new URL('../data/usage_bodies.jsonl', import.meta.url), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const replies = [];
  for (const { body, extracted } of rows) {
    const reads = (/** @type {string} */ provider, /** @type {string} */ api) =>
      extracted.some((/** @type {any} */ one) => one.extractors.some((/** @type {any} */ by) => by.provider_id === provider && by.api_flavor === api && by.input_price));
    if (!body.usage || !body.model) continue;
    if (reads('anthropic', 'default')) replies.push({ provider: 'anthropic', model: body.model, provider_usage: body.usage });
    else if (reads('openai', 'chat')) replies.push({ provider: 'openai', model: body.model, provider_usage: body.usage });
  }
  return replies;
}

/** @param {ReturnType<typeof seeded>} random */
function canonicalUsage(random) {
  const input = random.below(random.pick([200, 8_000, 300_000]));
  const read = random.chance(0.4) ? random.below(input + 1) : 0;
  const write = random.chance(0.3) ? random.below(input - read + 1) : 0;
  const output = random.below(4_000);
  return {
    input_tokens: input, output_tokens: output, cache_read_tokens: read, cache_write_tokens: write,
    cache_write_1h_tokens: random.chance(0.3) ? random.below(write + 1) : 0, reasoning_tokens: random.chance(0.3) ? random.below(output + 1) : 0,
  };
}

/**
 * Wire events of type `turn`, each an own id (one in a hundred has none: its text names it).
 * @param {{ count: number, seed: number, users?: number, endMs?: number, spanMs?: number, anonymousSessions?: boolean }} options
 * @returns {Record<string, any>[]}
 */
export function makeTurns({ count, seed, users = 400, endMs = Date.now() - MINUTE_MS, spanMs = 72 * HOUR_MS, anonymousSessions = true }) {
  const random = seeded(seed);
  const replies = realReplies();
  /** @type {Record<string, any>[]} */
  const turns = [];
  for (let visit = 0; turns.length < count; visit++) {
    const user = random.below(users);
    const who = random.next();
    // Every tenth person uses an app that names its sessions.
    const named = user % 10 === 0;
    /** @type {Record<string, any>} */
    let envelope;
    if (who < 0.88) {
      envelope = { user_id: `user-${seed}-${user}`, conversation_id: `talk-${seed}-${user}-${random.below(3)}`, ...(named ? { session_id: `visit-${seed}-${user}-${random.below(4)}` } : {}) };
    } else if (who < 0.93) {
      envelope = { conversation_id: `guest-talk-${seed}-${random.below(60)}`, guest: true };
    } else if (who < 0.96) {
      envelope = anonymousSessions ? { session_id: `guest-visit-${seed}-${random.below(40)}`, guest: true } : {};
    } else if (who < 0.98) {
      // Always the same people: an opt-out holds for all that comes after it.
      envelope = { user_id: `quiet-${seed}-${user}`, conversation_id: `quiet-talk-${seed}-${user}`, opted_out: true };
    } else {
      envelope = {};
    }
    let at = endMs - random.below(spanMs);
    const length = 1 + random.below(12);
    for (let index = 0; index < length && turns.length < count && at <= endMs; index++) {
      const number = turns.length;
      const dice = random.next();
      /** @type {Record<string, any>} */
      let priced;
      if (dice < 0.6) {
        priced = random.pick(replies);
      } else {
        const [provider, model] = random.pick(MODELS);
        priced = { provider, model, ...(dice < 0.97 ? { usage: canonicalUsage(random) } : {}) };
      }
      turns.push({
        type: 'turn',
        ...(number % 100 === 99 ? { latency_ms: number } : { id: `turn-${seed}-${number}` }),
        ts: new Date(at).toISOString(), ...envelope, ...priced,
        turn_index: index, feature: random.pick(['chat', 'tips', 'summary']), status: random.chance(0.96) ? 'ok' : 'error',
        // Without usage a turn with both lengths is estimated, and one without is not.
        ...(dice >= 0.985 ? {} : { user_chars: random.below(400), assistant_chars: random.below(2_000) }),
      });
      at += random.below(random.chance(0.15) ? 50 * MINUTE_MS : 4 * MINUTE_MS);
    }
  }
  return turns;
}
