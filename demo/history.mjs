// @ts-check
/** Fills a running Sage with a synthetic history, labelled `demo`, through the intake route that any backend uses. */
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';

import { deliver } from './intake.mjs';
import { SAGE_URL_DEFAULT, findIngestKey } from './settings.mjs';
import { synthesize } from './synthetic.mjs';

const BATCH_EVENTS_MAX = 500;
const PROGRESS_MS = 2000;

const HELP = `Fills a running Sage with a synthetic history of a chat app (turns and feedback, feature "demo").

  --days 365    civil days before today
  --users 60    people who sign up over that time
  --seed 7      another number, another history
  --url URL     where Sage is (SAGE_URL, or ${SAGE_URL_DEFAULT})
  --key KEY     the ingest key (SAGE_INGEST_KEY, or .dev.vars at the root)

Run again within 7 days, it adds only what has happened since: Sage knows the ids. After that Sage would count it a second time.
`;

/** A reason to stop that is worth reading. */
class Stop extends Error {}

/** @typedef {{ sent: number, received: number, stored: number, duplicate: number, dead_lettered: number, dropped: number }} Tally */

/**
 * Sends a history and returns what Sage said about it, added up.
 * @param {{ days: number, users: number, seed: number, sageUrl: string, ingestKey: string, now?: number, log?: (line: string) => void, backoffMs?: number }} options
 * @returns {Promise<Tally>}
 * @throws {Stop} when Sage is out of reach, refuses, or does not take every event
 */
export async function fillHistory({ days, users, seed, sageUrl, ingestKey, now = Date.now(), log = () => {}, backoffMs }) {
  const events = synthesize({ days, users, seed, now });
  log(`${events.length} synthetic events of ${users} people over ${days} days, to ${sageUrl}`);
  /** @type {Tally} */
  const tally = { sent: 0, received: 0, stored: 0, duplicate: 0, dead_lettered: 0, dropped: 0 };
  /** @type {string[]} */
  const complaints = [];
  let shown = performance.now();
  for (let from = 0; from < events.length; from += BATCH_EVENTS_MAX) {
    const batch = events.slice(from, from + BATCH_EVENTS_MAX);
    const delivery = await deliver(batch, { sageUrl, ingestKey, gzip: true, backoffMs });
    const { reply } = delivery;
    if (!reply) throw new Stop(`${whyRefused(delivery, sageUrl)} (${tally.sent} of ${events.length} events were sent before)`);
    tally.sent += batch.length;
    tally.received += reply.received;
    tally.stored += reply.stored;
    tally.duplicate += reply.duplicate;
    tally.dead_lettered += reply.dead_lettered;
    for (const [reason, count] of Object.entries(reply.dropped ?? {})) {
      tally.dropped += count;
      complaints.push(`dropped: ${reason}`);
    }
    for (const { index = 0, code = '', detail = '' } of reply.errors ?? []) complaints.push(`${batch[index]?.type ?? 'event'}: ${code} ${detail}`.trim());
    if (performance.now() - shown > PROGRESS_MS) {
      shown = performance.now();
      log(`${tally.sent} of ${events.length}, up to ${batch[batch.length - 1].ts.slice(0, 10)}`);
    }
  }
  const { sent, received, stored, duplicate, dead_lettered, dropped } = tally;
  log(`received ${received}, stored ${stored}, duplicate ${duplicate}, dead-lettered ${dead_lettered}, dropped ${dropped}`);
  if (received !== sent || stored + duplicate !== sent) {
    const examples = [...new Set(complaints)].slice(0, 5).map((line) => `\n  ${line}`).join('');
    throw new Stop(`Sage did not take every event: ${sent} sent, ${stored + duplicate} stored or known.${examples}`);
  }
  return tally;
}

/**
 * @param {import('./intake.mjs').Delivery} delivery
 * @param {string} sageUrl
 */
function whyRefused({ status, detail }, sageUrl) {
  const said = detail ? ` It says: ${detail}` : '';
  if (status === 0) return `Sage does not answer at ${sageUrl} (${detail}). Start it with \`npm start\`, or say where it is with --url.`;
  if (status === 401 || status === 403) return `Sage refuses the ingest key. Set SAGE_INGEST_KEY or --key to the one that Sage runs with.${said}`;
  if (status === 200 || status === 404 || status === 405) return `${sageUrl} answers ${status}, but not as Sage does. Is another server running there?`;
  if (status === 429 || status === 503) return `Sage keeps answering ${status}; try again in a while.${said}`;
  return `Sage refuses the events with status ${status}.${said}`;
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} min
 * @param {number} max
 */
function wholeNumber(name, text, min, max) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new Stop(`--${name} must be a whole number from ${min} to ${max}`);
  return value;
}

/** @param {string[]} args */
function readOptions(args) {
  try {
    return parseArgs({
      args,
      options: {
        days: { type: 'string', default: '365' },
        users: { type: 'string', default: '60' },
        seed: { type: 'string', default: '7' },
        url: { type: 'string' },
        key: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Stop(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
  }
}

async function main() {
  const values = readOptions(process.argv.slice(2));
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const sageUrl = values.url || process.env.SAGE_URL || SAGE_URL_DEFAULT;
  if (!URL.canParse(sageUrl)) throw new Stop('--url must be an address such as http://127.0.0.1:8787');
  const ingestKey = values.key || findIngestKey();
  if (!ingestKey) throw new Stop('no ingest key. `npm start` writes one to .dev.vars; or set SAGE_INGEST_KEY, or --key.');
  const began = performance.now();
  await fillHistory({
    days: wholeNumber('days', values.days, 1, 3650),
    users: wholeNumber('users', values.users, 1, 10_000),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31),
    sageUrl,
    ingestKey,
    log: (line) => console.log(`demo: ${line}`),
  });
  console.log(`demo: done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`demo: ${error instanceof Stop ? error.message : error?.stack ?? error}`);
    process.exitCode = 1;
  });
}
