/** `window.sage` as a module. */
import "./sage.js";

export default window.sage;
export const { start, open, close, minimise, track, step, feedback, error, conversation, user, consent, flush } = window.sage;
