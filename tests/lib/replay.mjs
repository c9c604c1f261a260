// @ts-check
/** Sends files of events to a running Sage as a backend would: in batches, several at once, again where it was told to wait. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const TRIES_MAX = 20;
/** Under the intake's limit of 8 MiB inflated. */
const BATCH_CHARS_MAX = 6 << 20;

/** @typedef {{ requests: number, received: number, stored: number, duplicate: number, dead_lettered: number, dropped: Record<string, number> }} Tally */

/** @returns {Tally} */
export const emptyTally = () => ({ requests: 0, received: 0, stored: 0, duplicate: 0, dead_lettered: 0, dropped: {} });

/**
 * Sends all lines of a file and adds up what was answered. Resolves when the last batch was acknowledged.
 * @param {import('./sage.mjs').Sage} sage
 * @param {string} file
 * @param {Tally} tally
 * @param {{ batch?: number, inFlight?: number, backwards?: boolean }} [how] `backwards`: the last line first.
 */
export async function replay(sage, file, tally, { batch = 5_000, inFlight = 3, backwards = false } = {}) {
  /** @type {Set<Promise<void>>} */
  const flying = new Set();
  const post = async (/** @type {string[]} */ lines) => {
    for (let tries = 1; ; tries++) {
      const reply = await sage.send(lines, { as: 'ndjson', gzip: true, timeoutMs: 60_000 });
      if (reply.status === 503 && tries < TRIES_MAX) {
        await sleep(1_000 * Number(reply.headers.get('retry-after') ?? 1));
        continue;
      }
      if (reply.status !== 200) throw new Error(`the intake answered ${reply.status}: ${reply.text.slice(0, 300)}`);
      tally.requests++;
      for (const name of /** @type {const} */ (['received', 'stored', 'duplicate', 'dead_lettered'])) tally[name] += reply.json[name];
      for (const [reason, count] of Object.entries(reply.json.dropped)) tally.dropped[reason] = (tally.dropped[reason] ?? 0) + Number(count);
      return;
    }
  };
  /** @type {string[]} */
  let lines = [];
  let chars = 0;
  const fly = async () => {
    if (!lines.length) return;
    const flight = post(lines).finally(() => flying.delete(flight));
    flying.add(flight);
    [lines, chars] = [[], 0];
    while (flying.size >= inFlight) await Promise.race(flying);
  };
  for await (const line of backwards ? (await readFile(file, 'latin1')).split('\n').reverse() : createInterface({ input: createReadStream(file) })) {
    if (!line) continue;
    lines.push(line);
    if (lines.length >= batch || (chars += line.length) >= BATCH_CHARS_MAX) await fly();
  }
  await fly();
  await Promise.all(flying);
}
