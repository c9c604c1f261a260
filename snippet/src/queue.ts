/** Events that wait in memory, and how they leave: in batches, again when they did not arrive, at once when the page goes. */

import type { WireEvent } from './privacy';

/** How long an event waits for others. */
const BATCH_AFTER_MS = 5_000;
/** A batch that does not wait any longer. */
const BATCH_SOON_EVENTS = 20;
const BATCH_EVENTS_MAX = 50;
/** Below what a browser sends for a page that is gone, and what Sage takes of one: 64 KiB. */
const BATCH_BYTES_MAX = 60_000;
const WAITING_MAX = 500;
/** Sage takes nothing older than a day of a page. */
const AGE_MS_MAX = 23 * 3_600_000;
const BACKOFF_MS = 1_000;
const BACKOFF_MS_MAX = 60_000;

/**
 * A queue to an endpoint with the key in its query: bodies go as `text/plain`, so that no browser asks beforehand.
 * @param allowed What of an event may leave at this moment.
 * @param mayBeacon May `sendBeacon` be used, which carries the endpoint's cookies along?
 */
export function queueTo(endpoint: string, allowed: (event: WireEvent) => WireEvent | undefined, mayBeacon: () => boolean) {
  let waiting: WireEvent[] = [];
  /** Bytes under way. */
  let sending = 0;
  let failures = 0;
  let notBefore = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function later(ms: number) {
    timer ??= setTimeout(() => flush(), ms);
  }

  function reduce() {
    const oldest = new Date(Date.now() - AGE_MS_MAX).toISOString();
    waiting = waiting.flatMap((event) => (event.ts > oldest && allowed(event)) || []).slice(-WAITING_MAX);
  }

  /** The first events that fit beside what is under way, their body and its bytes. */
  function nextBatch(): [WireEvent[], string, number] {
    const texts: string[] = [];
    let bytes = 1;
    for (const event of waiting.slice(0, BATCH_EVENTS_MAX)) {
      const text = JSON.stringify(event);
      const more = new TextEncoder().encode(text).length + 1;
      if (sending + bytes + more > BATCH_BYTES_MAX && sending + texts.length) break;
      bytes += more;
      texts.push(text);
    }
    return [waiting.splice(0, texts.length), `[${texts}]`, bytes];
  }

  async function post(batch: WireEvent[], body: string, bytes: number) {
    let waitMs: number | undefined;
    sending += bytes;
    try {
      // Without cookies and without the page's address. Outlives the page; unlike a beacon it can tell that it failed.
      const reply = await fetch(`${endpoint}&sent=${Date.now()}`, {
        method: 'POST', body, keepalive: true, credentials: 'omit', referrerPolicy: 'no-referrer', cache: 'no-store',
      });
      // Until it is read to its end, it counts against what the browser lets go on behind a page.
      await reply.text();
      if (reply.status === 429 || reply.status >= 500) waitMs = 1_000 * (Number(reply.headers.get('retry-after')) || 0);
    } catch {
      waitMs = 0;
    }
    sending -= bytes;
    if (waitMs === undefined) {
      failures = 0;
      if (waiting.length) later(0);
      return;
    }
    waiting.unshift(...batch);
    // Spread, so that pages that failed together do not come back together.
    waitMs = Math.max(waitMs, Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** failures++)) * (1 + Math.random() / 2);
    notBefore = Date.now() + waitMs;
    later(waitMs);
  }

  /** Sends what waits. `leaving`: as much of it as a browser sends for a page that is gone, whatever else is under way. */
  function flush(leaving = false) {
    clearTimeout(timer);
    timer = undefined;
    reduce();
    const waitMs = notBefore - Date.now();
    if (!waiting.length || navigator.onLine === false || (sending && !leaving)) return;
    if (waitMs > 0 && !leaving) return later(waitMs);
    do {
      const [batch, body, bytes] = nextBatch();
      if (!batch.length) return;
      const beacon = leaving && !('keepalive' in Request.prototype) && mayBeacon();
      if (!beacon || !navigator.sendBeacon(`${endpoint}&sent=${Date.now()}`, body)) void post(batch, body, bytes);
    } while (leaving);
  }

  addEventListener('online', () => flush(true));
  addEventListener('pageshow', ({ persisted }) => persisted && flush());
  // On the window and after all others, so that what they add on these occasions goes, too.
  addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && flush(true));
  addEventListener('pagehide', () => flush(true));

  return {
    add(event: WireEvent) {
      waiting.push(event);
      const soon = document.visibilityState === 'hidden' || waiting.length >= BATCH_SOON_EVENTS;
      if (soon) clearTimeout(timer), (timer = undefined);
      later(soon ? 0 : BATCH_AFTER_MS);
    },
    flush,
    reduce,
  };
}
