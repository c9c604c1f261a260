/** The script: reads its tag, makes `window.sage`. */

import type { Call, Deed, Sage, SageCalls, SageOptions } from '../sage';
import { watchErrors } from './errors';
import { forgetVisit, randomId, visitId } from './ids';
import { ALL, permission, reduced, type Consent, type WireEvent } from './privacy';
import { queueTo } from './queue';
import { watchVitals } from './vitals';

/** Most characters of a text that leaves the page. */
const TEXT_CHARS_MAX = 10_000;

function begin({ key, endpoint, sessions, consent: consentOption, messages }: SageOptions): SageCalls {
  const required = consentOption === 'required';
  let consent: Consent;
  let conversation_id: string | undefined;
  let user_id: string | undefined;
  let openedAt: number | undefined;
  let measuring = false;

  const may = () => permission(required, consent);
  const queue = queueTo(`${endpoint}?key=${encodeURIComponent(key)}`, (event) => reduced(event, may()), () => may() === ALL);

  function add(type: string, members: object) {
    const all = may() === ALL;
    const ids = all ? { conversation_id, user_id, session_id: sessions ? visitId() : undefined } : {};
    const event: WireEvent = { type, id: randomId(), ts: new Date().toISOString(), ...ids, ...members };
    const left = reduced(event, may());
    if (left) queue.add(left);
  }

  const journey = (name: string, members: object = {}) => add('journey', { ...members, name });

  /** Looks again at what may leave. */
  function decide() {
    queue.reduce();
    if (may() !== ALL) return forgetVisit();
    if (measuring) return;
    measuring = true;
    watchVitals((vital) => add('vital', vital));
  }

  const calls: SageCalls = {
    start() {},
    open() {
      openedAt = performance.now();
      journey('chat_opened');
    },
    close() {
      const duration_ms = openedAt === undefined ? undefined : Math.round(performance.now() - openedAt);
      openedAt = undefined;
      journey('chat_closed', { duration_ms });
    },
    minimise: () => journey('chat_minimised'),
    track: journey,
    step: (funnel, step, deed?: Deed) => journey(step, { ...deed, funnel, step }),
    feedback: (rating, about) => add('feedback', { ...about, rating: String(rating), text: about?.text?.slice(0, TEXT_CHARS_MAX) || undefined }),
    error(component, code, { message, fatal } = {}) {
      add('error', { component, code, fatal, message: messages ? message?.slice(0, TEXT_CHARS_MAX) || undefined : undefined });
    },
    conversation: (id) => void (conversation_id = id || undefined),
    user: (id) => void (user_id = id || undefined),
    consent(state) {
      consent = state;
      decide();
    },
    flush: () => queue.flush(),
  };
  watchErrors((component, code, message) => calls.error(component, code, { message }));
  decide();
  return calls;
}

/** The calls of a page, which wait for `start`. */
function sage(script: HTMLScriptElement | null): Sage {
  const early: Call[] = [];
  let calls: SageCalls | undefined;

  function push(call: Call) {
    try {
      const [name, ...values] = call;
      if (!calls && name === 'start') {
        const endpoint = new URL('v1/events', script?.src || new URL('/sage/', location.href)).href;
        calls = begin({ endpoint, ...(values[0] as SageOptions) });
        early.forEach(push);
      } else if (calls) {
        (calls[name] as (...values: unknown[]) => void)(...values);
      } else {
        early.push(call);
      }
    } catch {
      // The page goes on.
    }
  }

  const names = ['start', 'open', 'close', 'minimise', 'track', 'step', 'feedback', 'error', 'conversation', 'user', 'consent', 'flush'] as const;
  const methods = names.map((name) => [name, (...values: unknown[]) => push([name, ...values] as Call)]);
  return { push, ...Object.fromEntries(methods) };
}

const known = window.sage;
// The script may be there twice: as a tag and as a module.
if (!known || Array.isArray(known)) {
  const script = (document.currentScript ?? document.querySelector('script[data-key][src*="/sage.js"]')) as HTMLScriptElement | null;
  const made = sage(script);
  window.sage = made;
  const { key, endpoint, sessions, consent, messages } = script?.dataset ?? {};
  const on = (attribute?: string) => attribute !== undefined && attribute !== 'false';
  if (key) {
    made.start({ key, ...(endpoint && { endpoint }), sessions: on(sessions), ...(consent === 'required' && { consent }), messages: on(messages) });
  }
  known?.forEach(made.push);
}
