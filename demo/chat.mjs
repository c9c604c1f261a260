// @ts-check
/** One reply, streamed as OpenAI's chat API streams it, and what the app reports of it afterwards. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { openAiUsage, replyTo, tokensOf, usageOf } from './replies.mjs';

/** Pause before the first token: what a model takes to read. */
const FIRST_TOKEN_IN_TOKENS = 8;

/**
 * @typedef {{ user: import('./users.mjs').DemoUser, conversation: string, turnIndex: number, model: import('./replies.mjs').Model, message: string }} Ask
 */

/**
 * Streams the reply and returns the turn to report. A client that hangs up ends the stream: the turn is then `cancelled`, and
 * without usage, because the provider says it last.
 * @param {Ask} ask
 * @param {import('node:http').ServerResponse} response
 * @param {number} tokenMs
 * @returns {Promise<import('./intake.mjs').WireEvent>}
 */
export async function streamReply({ user, conversation, turnIndex, model, message }, response, tokenMs) {
  const began = performance.now();
  const ts = new Date().toISOString();
  const hangUp = new AbortController();
  response.once('close', () => hangUp.abort());
  if (response.destroyed) hangUp.abort();
  const { signal } = hangUp;

  const usage = usageOf(model.id, `${conversation} ${turnIndex} ${message}`);
  const envelope = { id: `chatcmpl-${randomUUID()}`, object: 'chat.completion.chunk', created: Math.floor(Date.now() / 1000), model: model.id };
  /** @param {unknown} data */
  const write = async (data) => {
    signal.throwIfAborted();
    if (!response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`)) await once(response, 'drain', { signal });
  };
  /**
   * @param {Record<string, string>} delta
   * @param {string | null} finish_reason
   */
  const chunk = (delta, finish_reason = null) => write({ ...envelope, choices: [{ index: 0, delta, finish_reason }], usage: null });

  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    'x-turn-index': String(turnIndex),
  });
  response.flushHeaders();

  let said = '';
  let ttftMs;
  let status = 'ok';
  try {
    await chunk({ role: 'assistant', content: '' });
    await sleep(tokenMs * FIRST_TOKEN_IN_TOKENS, undefined, { signal });
    for (const content of tokensOf(replyTo(message))) {
      ttftMs ??= since(began);
      await chunk({ content });
      said += content;
      await sleep(tokenMs, undefined, { signal });
    }
    await chunk({}, 'stop');
    await write({ ...envelope, choices: [], usage: openAiUsage(usage) });
    await write('[DONE]');
    response.end();
  } catch (error) {
    if (!signal.aborted) throw error;
    status = 'cancelled';
  }

  return {
    type: 'turn',
    id: randomUUID(),
    ts,
    user_id: user.id,
    conversation_id: conversation,
    turn_index: turnIndex,
    provider: model.provider,
    model: model.id,
    feature: 'chat',
    status,
    latency_ms: since(began),
    ...(ttftMs === undefined ? {} : { ttft_ms: ttftMs }),
    user_chars: charsOf(message),
    assistant_chars: charsOf(said),
    ...(status === 'ok' ? { provider_usage: usage } : {}),
    country: user.country,
    utc_offset_minutes: user.utc_offset_minutes,
    plan: user.plan,
    guest: user.guest,
  };
}

/** @param {number} began */
function since(began) {
  return Math.round(performance.now() - began);
}

/** Characters as people count them, near enough: code points. @param {string} text */
function charsOf(text) {
  return [...text].length;
}
