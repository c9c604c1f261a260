// @ts-check
/** One delivery to Sage's intake route, tried again while that can help. An event keeps its id, so a retry counts nothing twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

export const TRIES_MAX = 5;
const TRY_MS_MAX = 10_000;
const BACKOFF_MS_MAX = 30_000;

/**
 * What Sage says it did with the events of one request.
 * @typedef {{ received: number, stored: number, duplicate: number, dead_lettered: number, dropped?: Record<string, number>,
 *   errors?: { index?: number, code?: string, detail?: string }[] }} IntakeReply
 */

/** An event in the form that the intake route takes. @typedef {{ type: string, id: string, ts: string } & Record<string, unknown>} WireEvent */

/**
 * How a delivery ended: `reply` when Sage answered 200; `status` 0 when it was out of reach.
 * @typedef {{ status: number, tries: number, reply: IntakeReply | null, detail: string }} Delivery
 */

/**
 * Posts events to Sage. Never throws: a backend's own work must not fail because its analytics did.
 * @param {WireEvent[]} events
 * @param {{ sageUrl: string, ingestKey: string, gzip?: boolean, backoffMs?: number, signal?: AbortSignal }} to
 * @returns {Promise<Delivery>}
 */
export async function deliver(events, { sageUrl, ingestKey, gzip = false, backoffMs = 250, signal }) {
  const json = JSON.stringify(events.length === 1 ? events[0] : events);
  const body = gzip ? gzipSync(json) : json;
  const headers = {
    authorization: `Bearer ${ingestKey}`,
    'content-type': 'application/json',
    ...(gzip ? { 'content-encoding': 'gzip' } : {}),
  };
  /** @type {Delivery} */
  let last = { status: 0, tries: 0, reply: null, detail: '' };
  for (let tries = 1; tries <= TRIES_MAX; tries++) {
    let waitMs = backoffMs * 2 ** (tries - 1) * (0.75 + Math.random() / 2);
    try {
      const response = await fetch(new URL('/sage/v1/events', sageUrl), {
        method: 'POST', headers, body, redirect: 'manual', signal: within(TRY_MS_MAX, signal),
      });
      const text = await response.text();
      if (response.status === 200) {
        const reply = parseReply(text);
        return { status: 200, tries, reply, detail: reply ? '' : 'the answer is not an intake reply' };
      }
      last = { status: response.status, tries, reply: null, detail: problemDetail(text) };
      if (response.status !== 429 && response.status !== 503) return last;
      waitMs = Math.max(waitMs, retryAfterMs(response.headers.get('retry-after')));
    } catch (error) {
      last = { status: 0, tries, reply: null, detail: causeCode(error) };
    }
    if (tries === TRIES_MAX || signal?.aborted) break;
    await sleep(Math.min(waitMs, BACKOFF_MS_MAX), undefined, { signal }).catch(() => {});
    if (signal?.aborted) break;
  }
  return last;
}

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 */
function within(ms, signal) {
  const timeout = AbortSignal.timeout(ms);
  return signal ? AbortSignal.any([timeout, signal]) : timeout;
}

/**
 * @param {string} text
 * @returns {IntakeReply | null}
 */
function parseReply(text) {
  try {
    const reply = JSON.parse(text);
    return Number.isInteger(reply?.received) && Number.isInteger(reply?.stored) ? reply : null;
  } catch {
    return null;
  }
}

/**
 * The readable part of a problem document (RFC 9457); empty when the body is not one.
 * @param {string} text
 */
function problemDetail(text) {
  try {
    const problem = JSON.parse(text);
    return String(problem.detail ?? problem.title ?? '').slice(0, 300);
  } catch {
    return '';
  }
}

/**
 * `Retry-After` in seconds or as a date; 0 when absent or unreadable.
 * @param {string | null} value
 */
function retryAfterMs(value) {
  if (!value) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/**
 * `ECONNREFUSED` and the like. Not the message, which can quote the address.
 * @param {unknown} error
 */
function causeCode(error) {
  const { cause, name } = /** @type {{ cause?: { code?: unknown }, name?: unknown }} */ (error ?? {});
  return String(cause?.code ?? name ?? 'failed');
}
