/** Ids without a meaning. */

/** 128 random bits. An event's is made for it alone: a retry counts once, and nothing else carries it. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');
}

const SLOT = 'sage';
/** Silence that ends a visit. */
const VISIT_GAP_MS = 30 * 60_000;

/** The visit under way, kept in the tab's storage with the time of its last event. `undefined`: the browser keeps nothing. */
export function visitId(): string | undefined {
  const now = Date.now();
  try {
    const [id, last] = sessionStorage.getItem(SLOT)?.split(' ') ?? [];
    const visit = id && now - Number(last) < VISIT_GAP_MS ? id : randomId();
    sessionStorage.setItem(SLOT, `${visit} ${now}`);
    return visit;
  } catch {
    return undefined;
  }
}

/** Takes the visit off the device. */
export function forgetVisit(): void {
  try {
    sessionStorage.removeItem(SLOT);
  } catch {
    // Nothing could be kept there either.
  }
}
