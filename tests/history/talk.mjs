// @ts-check
/** What a person's app tells while they talk: turns, what the sentinel saw, thumbs, steps of a journey, crises. */
import { realReplies } from '../lib/turns.mjs';
import { MINUTE_MS, weighted } from './people.mjs';

/** @typedef {import('./people.mjs').Random} Random */
/** @typedef {(ts: number, event: Record<string, any>) => void} Emit */

/** Provider, model, share. The last three are in no price list. */
const MODELS = /** @type {const} */ ([
  ['anthropic', 'claude-sonnet-4-5', 0.24], ['anthropic', 'claude-opus-4-1', 0.06], ['anthropic', 'claude-haiku-4-5-20251001', 0.12], ['openai', 'gpt-4o', 0.16],
  ['openai', 'gpt-4o-mini-2024-07-18', 0.12], ['openai', 'o3', 0.05], ['openai', 'gpt-5-mini', 0.1], ['google', 'gemini-2.5-pro', 0.06], ['google', 'gemini-2.5-flash', 0.07],
  ['openai', 'gpt-of-nowhere', 0.01], ['nobody', 'nothing-1', 0.006], ['anthropic', 'claude-imaginary-9', 0.004],
]);
const FEATURES = /** @type {const} */ ([['chat', 0.7], ['tips', 0.15], ['summary', 0.1], [null, 0.05]]);
const STATUSES = /** @type {const} */ ([['ok', 0.94], ['error', 0.025], ['timeout', 0.012], ['cancelled', 0.015], ['filtered', 0.008]]);
const ERROR_CODES = ['overloaded_error', 'rate_limit_exceeded', 'context_length_exceeded', 'server_error'];
const EMOTIONS = ['joy', 'trust', 'fear', 'surprise', 'sadness', 'disgust', 'anger', 'anticipation', 'neutral'];
const FLAGS = ['repeated', 'rephrased', 'misunderstood', 'strong_language', 'asked_for_human', 'gave_up'];
const TIERS = ['must_be', 'performance', 'attractive', 'indifferent'];
/** Tags that are wished for; those further on less often. */
export const WISHES = Array.from({ length: 28 }, (_, n) => `wish-${String.fromCharCode(97 + (n % 26))}${n}`);
/** More intents than are listed one by one. */
const INTENTS = Array.from({ length: 64 }, (_, n) => `intent-${n}`);
const SENTINELS = ['sentinel-1', 'sentinel-2', 'sentinel-2.1'];
const DETECTORS = ['detector-1', 'detector-2', null];
const DISPOSITIONS = ['resolved_in_session', 'resources_shown', 'referral_issued', 'human_hand_off', 'emergency_instructions', 'declined'];
const JOURNEYS = ['chat_opened', 'help', 'action', 'export', 'platform_connected'];

const replies = realReplies();

/** Usages to choose from: a price is worked out once for each. @param {Random} random */
function usagePool(random) {
  return Array.from({ length: 240 }, () => {
    const input = 40 + random.below(random.pick([300, 4_000, 40_000, 260_000]));
    const read = random.chance(0.45) ? random.below(input + 1) : 0;
    const write = random.chance(0.25) ? random.below(input - read + 1) : 0;
    const output = 1 + random.below(random.pick([200, 1_500, 8_000]));
    return {
      input_tokens: input, output_tokens: output,
      ...(read ? { cache_read_tokens: read } : {}),
      ...(write ? { cache_write_tokens: write, ...(random.chance(0.3) ? { cache_write_1h_tokens: random.below(write + 1) } : {}) } : {}),
      ...(random.chance(0.25) ? { reasoning_tokens: random.below(output + 1) } : {}),
    };
  });
}

/** Zipf-like: the first far more often than the last. @template T @param {Random} random @param {readonly T[]} items */
const head = (random, items) => /** @type {T} */ (items[Math.floor(items.length * random.next() ** 3)]);

/** Milliseconds, lognormal around a middle. @param {Random} random @param {number} middle */
const duration = (random, middle) => Math.round(middle * Math.exp((random.next() + random.next() + random.next() - 1.5) * 1.6));

/** A pause between two turns: mostly short, now and then around the half hour that ends a session. @param {Random} random */
function pause(random) {
  const dice = random.next();
  if (dice < 0.9) return 4_000 + duration(random, 45_000);
  if (dice < 0.905) return 0;
  if (dice < 0.93) return 30 * MINUTE_MS + random.pick([-1, 0, 0, 1]);
  if (dice < 0.97) return random.below(30 * MINUTE_MS);
  return 30 * MINUTE_MS + random.below(40 * MINUTE_MS);
}

/** What talks in an app emit. @param {Random} random @param {Emit} emit @param {number} endMs */
export function talker(random, emit, endMs) {
  const usages = usagePool(random);
  const lengths = Array.from({ length: 120 }, () => [1 + random.below(400), 1 + random.below(3_000)]);

  /** What a turn cost, however it is told. */
  function told() {
    const dice = random.next();
    if (dice < 0.2) return { ...random.pick(replies), user_chars: random.below(400), assistant_chars: random.below(2_000) };
    const [provider, model] = weighted(random, MODELS, ([, , share]) => share);
    if (dice < 0.96) {
      return {
        provider, model, usage: random.pick(usages), ...(random.chance(0.9) ? { user_chars: random.below(400), assistant_chars: random.below(2_000) } : {}),
        ...(provider === 'openai' && random.chance(0.03) ? { price_context: { service_tier: 'flex' } } : {}),
      };
    }
    const [user_chars, assistant_chars] = /** @type {number[]} */ (random.pick(lengths));
    // Without usage a turn with both lengths is estimated, and one without is not.
    return dice < 0.985 ? { provider, model, user_chars, assistant_chars } : { provider, model };
  }

  /**
   * One visit from an instant on: its turns, and what goes with them.
   * @param {number} start @param {Record<string, any>} who Ids of person, conversation and session.
   * @param {(at: number) => Record<string, any>} cohortAt @param {{ firstIndex?: number, turns?: number }} [how]
   * @returns {number} How many turns.
   */
  return function visit(start, who, cohortAt, { firstIndex = 0, turns = 1 + Math.floor(-Math.log(1 - random.next()) * 6.5) } = {}) {
    const troubled = random.chance(0.12);
    const intent = head(random, INTENTS);
    let at = start;
    let index = 0;
    /** @type {Record<string, any> | undefined} */
    let before;
    let gap = 1;
    for (; index < turns && at <= endMs; index++) {
      const whose = { ...who, ...cohortAt(at) };
      const [status] = weighted(random, STATUSES, ([, share]) => share);
      const [feature] = weighted(random, FEATURES, ([, share]) => share);
      // Which of two turns of one instant is a session's last is for no one to say: they ask the same model.
      const spent = gap === 0 && before ? before : told();
      before = spent;
      const latency = duration(random, 1_900);
      emit(at, {
        type: 'turn', ...whose, ...spent, turn_index: firstIndex + index, ...(feature ? { feature } : {}), ...(status === 'ok' && random.chance(0.8) ? {} : { status }),
        ...(status === 'error' ? { error_code: random.pick(ERROR_CODES) } : {}), ...(status === 'cancelled' && random.chance(0.5) ? { partial: true } : {}),
        ...(random.chance(0.97) ? { latency_ms: latency, ...(random.chance(0.8) ? { ttft_ms: Math.round(latency * random.next()) } : {}) } : {}),
      });
      aside(at, whose, firstIndex + index, troubled, intent);
      at += gap = pause(random);
    }
    return index;
  };

  /** What comes with a turn. @param {number} at @param {Record<string, any>} whose @param {number} turn_index @param {boolean} troubled @param {string} intent */
  function aside(at, whose, turn_index, troubled, intent) {
    const after = () => Math.min(endMs, at + random.below(random.chance(0.9) ? 20_000 : 45 * MINUTE_MS));
    if (random.chance(0.11)) {
      const exactly = random.chance(0.05) ? Math.min(endMs, at + 30 * MINUTE_MS + random.pick([-1, 0])) : after();
      // Some sentinels know the person alone, or no one.
      const { conversation_id: _, session_id: __, ...person } = whose;
      emit(exactly, {
        type: 'observation', ...(random.chance(0.95) ? whose : random.chance(0.5) ? person : {}), emotion: troubled ? random.pick(['anger', 'sadness', 'fear', 'disgust', 'neutral']) : random.pick(EMOTIONS),
        intensity: 1 + random.below(3), confidence: random.below(101) / 100, model_version: SENTINELS[Math.min(2, Math.floor(((at % 86_400_000_000) / 86_400_000_000) * 3))],
        ...(random.chance(0.9) ? { turn_index } : {}), ...(random.chance(troubled ? 0.7 : 0.06) ? { frustration: FLAGS.filter(() => random.chance(0.3)) } : {}),
        ...(random.chance(0.5) ? { intent } : {}), ...(random.chance(0.08) ? { wish: { tag: head(random, WISHES), kano: random.pick(TIERS) } } : {}),
      });
    }
    if (random.chance(0.025)) {
      emit(after(), {
        type: 'feedback', ...whose, turn_index, rating: random.chance(0.75) ? (random.chance(troubled ? 0.3 : 0.85) ? 'up' : 'down') : String(1 + random.below(5)),
        ...(random.chance(0.7) ? { model: weighted(random, MODELS, ([, , share]) => share)[1] } : {}), ...(random.chance(0.6) ? { intent } : {}),
        ...(random.chance(0.2) ? { wishes: [head(random, WISHES), ...(random.chance(0.3) ? [head(random, WISHES)] : [])].filter((tag, n, all) => all.indexOf(tag) === n) } : {}),
        ...(random.chance(0.1) ? { text: 'it did what I asked for' } : {}),
      });
    }
    if (random.chance(0.055)) {
      emit(after(), {
        type: 'journey', ...whose, name: random.pick(JOURNEYS), ...(random.chance(0.3) ? { funnel: 'onboarding', step: random.pick(['start', 'middle', 'end']) } : {}),
        ...(random.chance(0.7) ? { intent } : {}), ...(random.chance(0.8) ? { success: random.chance(0.8) } : {}), ...(random.chance(0.6) ? { confidence: random.below(101) / 100 } : {}),
        ...(random.chance(0.6) ? { duration_ms: duration(random, 900) } : {}),
      });
    }
    if (random.chance(0.006)) {
      emit(after(), { type: 'error', ...whose, component: random.pick(['ui', 'api', 'speech']), code: `E${1 + random.below(9)}`, ...(random.chance(0.5) ? { message: 'it broke' } : {}), ...(random.chance(0.1) ? { fatal: true } : {}) });
    }
    if (random.chance(0.004)) emit(after(), { type: 'service_cost', ...whose, service: random.pick(['speech_to_text', 'text_to_speech']), provider: 'speakers', nano_usd: 1 + random.below(9_000_000) });
    if (random.chance(0.001)) emit(after(), { type: 'moment', ...whose, text: 'this made my day' });
    if (random.chance(0.0015)) crisis(at, whose);
  }

  /** A crisis, from its flag to its end. @param {number} at @param {Record<string, any>} whose */
  function crisis(at, whose) {
    const detector = random.pick(DETECTORS);
    const facts = { severity: random.below(5), ...(detector ? { detector_version: detector } : {}), ...(random.chance(0.15) ? { false_positive: true } : {}) };
    const step = (/** @type {number} */ s, /** @type {Record<string, any>} */ more) => at + s * 1_000 <= endMs && emit(at + s * 1_000, { type: 'crisis', ...whose, ...facts, ...more });
    step(1, { event: 'flagged' });
    if (random.chance(0.6)) step(20, { event: 'referral' });
    const wait = 5 + random.below(900);
    if (random.chance(0.4)) step(wait, { event: 'escalation', ...(random.chance(0.9) ? { escalation_s: wait } : {}) });
    if (random.chance(0.7)) step(wait + 60, { event: 'disposition', disposition: random.pick(DISPOSITIONS) });
  }
}
