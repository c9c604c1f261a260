// @ts-check
// What is received before a midnight and after it lies in two days: tests that compare days of receipt keep off it.

import { setTimeout as sleep } from 'node:timers/promises';

const DAY_MS = 86_400_000;

/** Milliseconds until a zone's next midnight. @param {string} timeZone @param {number} at */
function untilMidnight(timeZone, at) {
  const parts = new Intl.DateTimeFormat('en', { timeZone, hourCycle: 'h23', hour: 'numeric', minute: 'numeric', second: 'numeric' }).formatToParts(at);
  const [hour = 0, minute = 0, second = 0] = ['hour', 'minute', 'second'].map((type) => Number(parts.find((part) => part.type === type)?.value));
  return DAY_MS - ((hour * 60 + minute) * 60 + second) * 1_000 - (at % 1_000);
}

/** Waits out each midnight that is nearer than `ms`. @param {string[]} zones @param {number} ms */
export async function keepOffMidnight(zones, ms) {
  for (;;) {
    const near = zones.map((zone) => untilMidnight(zone, Date.now())).filter((left) => left < ms);
    if (near.length === 0) return;
    await sleep(Math.min(...near) + 1_000);
  }
}
