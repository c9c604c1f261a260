// @ts-check
/** Hands events to Sage behind the app's back: the chat never waits for it, and a Sage that is down costs the chat nothing. */
import { deliver } from './intake.mjs';

/** Reports under way at once; beyond it a report is dropped and said so, so that a dead Sage cannot fill the memory. */
const PENDING_MAX = 1000;
const CLOSE_MS_MAX = 2000;

/** @typedef {import('./intake.mjs').WireEvent} WireEvent */

/**
 * Log lines name the kind of event, the outcome and the number of tries; never a person, a conversation or a text.
 * @param {{ sageUrl: string, ingestKey: string | undefined, log: (line: string) => void, backoffMs?: number }} settings
 */
export function createReporter({ sageUrl, ingestKey, log, backoffMs }) {
  /** @type {Set<Promise<void>>} */
  const pending = new Set();
  const stopping = new AbortController();
  if (!ingestKey) log('no SAGE_INGEST_KEY: turns are not reported to Sage');

  /** @param {WireEvent} event */
  async function send(event) {
    const { status, tries, reply, detail } = await deliver([event], { sageUrl, ingestKey: ingestKey ?? '', backoffMs, signal: stopping.signal });
    if (reply && reply.stored + reply.duplicate === 1) {
      log(`${event.type} reported, tries ${tries}`);
      return;
    }
    const code = reply?.errors?.[0]?.code ?? Object.keys(reply?.dropped ?? {})[0];
    const why = reply ? `not stored${code ? `: ${code}` : ''}` : status ? `status ${status}` : `out of reach${detail ? `: ${detail}` : ''}`;
    log(`${event.type} not reported, ${why}, tries ${tries}`);
  }

  return {
    /** @param {WireEvent} event */
    report(event) {
      if (!ingestKey) return;
      if (pending.size >= PENDING_MAX) {
        log(`${event.type} not reported, ${PENDING_MAX} reports are waiting`);
        return;
      }
      const sent = send(event).finally(() => pending.delete(sent));
      pending.add(sent);
    },

    /** Lets reports under way finish for a moment, then gives them up. */
    async close() {
      const giveUp = setTimeout(() => stopping.abort(), CLOSE_MS_MAX);
      await Promise.allSettled(pending);
      clearTimeout(giveUp);
    },
  };
}
