// @ts-check
/** The people one can play in the demo. Invented; the ids are what the app would call raw ids. */

/**
 * @typedef {{ id: string, name: string, country: string, utc_offset_minutes: number, plan: 'free' | 'premium', guest: boolean }} DemoUser
 */

/** @type {readonly DemoUser[]} */
export const USERS = [
  { id: 'demo-amara', name: 'Amara', country: 'NG', utc_offset_minutes: 60, plan: 'premium', guest: false },
  { id: 'demo-bruno', name: 'Bruno', country: 'BR', utc_offset_minutes: -180, plan: 'free', guest: false },
  { id: 'demo-chiyo', name: 'Chiyo', country: 'JP', utc_offset_minutes: 540, plan: 'premium', guest: false },
  { id: 'demo-devika', name: 'Devika', country: 'IN', utc_offset_minutes: 330, plan: 'free', guest: false },
  { id: 'demo-elif', name: 'Elif', country: 'DE', utc_offset_minutes: 60, plan: 'free', guest: false },
  { id: 'demo-guest', name: 'A guest', country: 'US', utc_offset_minutes: -300, plan: 'free', guest: true },
];
