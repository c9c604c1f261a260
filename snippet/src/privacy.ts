/** What may leave the page, by what the person and the operator decided. */

/** Nothing; errors without any id; everything. */
export const NOTHING = 0, ERRORS = 1, ALL = 2;
export type Permission = typeof NOTHING | typeof ERRORS | typeof ALL;

export type Consent = 'granted' | 'withdrawn' | undefined;

/** Global Privacy Control and Do Not Track, as the browser says them at this moment. A consent does not outweigh them. */
function refusesTracking(): boolean {
  const { globalPrivacyControl, doNotTrack } = navigator as Navigator & { globalPrivacyControl?: boolean };
  return globalPrivacyControl === true || doNotTrack === '1' || doNotTrack === 'yes';
}

/** `required`: nothing leaves before the person decided. */
export function permission(required: boolean, consent: Consent): Permission {
  if (required && !consent) return NOTHING;
  return consent === 'withdrawn' || refusesTracking() ? ERRORS : ALL;
}

/** An event on the wire; its members are those of `schemas/json/wire.*.schema.json`. */
export type WireEvent = { type: string; id: string; ts: string; [member: string]: unknown };

/** What of an event may leave; `undefined`: nothing of it. */
export function reduced(event: WireEvent, may: Permission): WireEvent | undefined {
  if (may === ALL) return event;
  if (may === NOTHING || event.type !== 'error') return undefined;
  const { type, id, ts, component, code, fatal } = event;
  return { type, id, ts, component, code, fatal, opted_out: true };
}
