/** The page's side of Sage: `window.sage`, or what `/sage/sage.mjs` exports. No call ever throws. */

/** How the page sends. The script tag says the same in its `data-` attributes. */
export interface SageOptions {
  /** `SAGE_PUBLIC_KEY`; `data-key`. */
  key: string;
  /** Where events go; `data-endpoint`. By default `v1/events` beside the script. */
  endpoint?: string;
  /** Name visits, in the tab's `sessionStorage`; `data-sessions`. By default nothing is kept on the device. */
  sessions?: boolean;
  /** `required`: nothing is measured or sent before `consent('granted')`; `data-consent`. */
  consent?: 'required';
  /** Send the messages of errors, of which Sage keeps a keyed digest; `data-messages`. They may hold what people typed. */
  messages?: boolean;
}

/** A machine word of 1–128 characters out of `A–Z a–z 0–9 . _ - : / @ + ~ [ ] =`. Sage refuses what looks personal. */
export type Label = string;

/** What else is known of a product event. */
export interface Deed {
  /** What the person wanted. */
  intent?: Label;
  /** Whether it succeeded. */
  success?: boolean;
  /** 0–1. */
  confidence?: number;
  /** Milliseconds that it took. */
  duration_ms?: number;
}

/** What a rating is about. */
export interface About {
  /** Which turn of the conversation, from 0. */
  turn_index?: number;
  /** The model that wrote the reply. */
  model?: Label;
  /** What the person wanted. */
  intent?: Label;
  /** The comment, of which Sage keeps the length; at most 10,000 characters leave the page. */
  text?: string;
  /** What the person wished for: at most 10 tags. */
  wishes?: Label[];
}

/** What else is known of an error. */
export interface Failure {
  /** What it said; leaves the page only with `messages`. */
  message?: string;
  /** The app fell over. */
  fatal?: boolean;
}

/** What a page can say. */
export interface SageCalls {
  /** Begins with these options, where the script tag did not. */
  start(options: SageOptions): void;
  /** The chat was opened. */
  open(): void;
  /** The chat was closed. */
  close(): void;
  /** The chat was made small. */
  minimise(): void;
  /** A product event. */
  track(name: Label, deed?: Deed): void;
  /** A step of a funnel was reached. */
  step(funnel: Label, step: Label, deed?: Deed): void;
  /** A thumb, or one to five stars. */
  feedback(rating: 'up' | 'down' | 1 | 2 | 3 | 4 | 5, about?: About): void;
  /** Something broke. Uncaught errors and rejections are told without. */
  error(component: Label, code: Label, failure?: Failure): void;
  /** The conversation that what follows belongs to; `null`: none. */
  conversation(id: string | null): void;
  /** The person that what follows is of; `null`: none. Sage drops it unless `browser.user_ids` is on. */
  user(id: string | null): void;
  /** What the person decided. `withdrawn`: from now on errors without any id; what waits is reduced to that, too. */
  consent(state: 'granted' | 'withdrawn'): void;
  /** Sends what waits, now. */
  flush(): void;
}

/** A call as a list, for pages that call before the script is there. */
export type Call = { [Name in keyof SageCalls]: [Name, ...Parameters<SageCalls[Name]>] }[keyof SageCalls];

/** `window.sage`. */
export interface Sage extends SageCalls {
  /** Makes a call. Before the script is there: `(window.sage ??= []).push(['open'])`. */
  push(call: Call): void;
}

declare const sage: Sage;
export default sage;
export declare const start: SageCalls['start'];
export declare const open: SageCalls['open'];
export declare const close: SageCalls['close'];
export declare const minimise: SageCalls['minimise'];
export declare const track: SageCalls['track'];
export declare const step: SageCalls['step'];
export declare const feedback: SageCalls['feedback'];
export declare const error: SageCalls['error'];
export declare const conversation: SageCalls['conversation'];
export declare const user: SageCalls['user'];
export declare const consent: SageCalls['consent'];
export declare const flush: SageCalls['flush'];

declare global {
  interface Window {
    sage?: Sage | Call[];
  }
}
