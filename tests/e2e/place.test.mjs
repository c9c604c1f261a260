// @ts-check
// Where a client is and where it goes: what is believed, what is kept, and how much of it at most.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { ROOT, SECRETS, startSageBare } from '../lib/bench-workerd.mjs';
import { ask, startOrigin } from '../lib/proxy-origin.mjs';
import { seeded } from '../lib/sage.mjs';

/** @typedef {Awaited<ReturnType<typeof startSageBare>>} Sage */

const SAGE_INSPECT = process.env.SAGE_INSPECT ?? join(ROOT, 'target/release/sage-inspect');
const standIn = { file: fileURLToPath(new URL('../lib/proxy-shard.js', import.meta.url)), binding: 'SHARD_OBJECT' };
const CF = 'test-cf';
/** What Cloudflare says of a request, and more of it than Sage may look at. */
const PLATFORM = JSON.stringify({
  country: 'NP', timezone: 'Asia/Kathmandu', asn: 16509, asOrganization: 'Amazon', city: 'Bhaktapur', region: 'Bagmati', regionCode: 'P3', postalCode: '44800',
  latitude: '27.67', longitude: '85.43', colo: 'KTM', metroCode: '501', continent: 'AS',
});
/** Headers that claim to know who and where a client is. @type {Record<string, string>} */
const SPOOFED = {
  'x-forwarded-for': '198.51.100.1, 198.51.100.2', 'x-real-ip': '198.51.100.3', forwarded: 'for=198.51.100.4', 'true-client-ip': '198.51.100.5', 'x-client-ip': '198.51.100.6',
  'cf-ipcountry': 'KP', 'cf-timezone': 'Asia/Tokyo', 'cf-connecting-ipv6': '2001:db8::6', 'cf-pseudo-ipv4': '198.51.100.7', 'cf-ipcity': 'Pyongyang', 'cf-ray': '0-KTM',
  'cf-visitor': '{"scheme":"http"}', 'cf-asn': '3320', 'cloudfront-viewer-country': 'KP', 'cloudfront-viewer-address': '198.51.100.8:1234', 'x-vercel-ip-country': 'KP',
  'sage-user': 'mallory', 'sage-country': 'KP', 'sage-conversation': 'c', 'sage-turn': '{"type":"turn"}', 'sage-key': SECRETS.SAGE_INGEST_KEY, 'sage-plan': 'free',
};

/** @type {Awaited<ReturnType<typeof startOrigin>>} */ let origin;
before(async () => { origin = await startOrigin(); });
after(() => origin?.stop());

/** Events of a message, each a length of four bytes and its line of JSON; no turn, which would be packed. @param {string} message */
function eventsOf(message) {
  const bytes = Buffer.from(message, 'latin1');
  const found = [];
  let at = bytes.indexOf('\n') + 1;
  while (at < bytes.length) {
    const end = at + 4 + bytes.readUInt32LE(at);
    found.push(JSON.parse(bytes.toString('utf8', at + 4, end)));
    at = end;
  }
  return found;
}

/** Events that a Shard was given, as they stand in its log. @param {Sage} sage @returns {Promise<any[]>} */
async function stored(sage) {
  await sleep(1_700);
  const batches = /** @type {string[]} */ (JSON.parse((await ask(sage.standInUrl, '/appended')).body.toString()));
  return batches.flatMap(eventsOf);
}

/** @param {any} event What does not depend on when and how quickly it was. */
const timeless = ({ id, ts, ...event }) => ({ ...event, body: { ...event.body, request: { ...event.body.request, ttfb_ms: 0 } } });

describe('spoofed headers', () => {
  test('change neither what is stored nor what is answered', async () => {
    const sage = await startSageBare({ origin: origin.url, cfHeader: CF, standIn });
    try {
      const known = { [CF]: PLATFORM, 'cf-connecting-ip': '203.0.113.77', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0' };
      for (const headers of [known, { ...known, ...SPOOFED }]) {
        const reply = await ask(sage.url, '/chat/42', { headers });
        assert.deepEqual([reply.status, reply.body.toString()], [200, 'ok']);
      }
      const [plain, spoofed] = (await stored(sage)).map(timeless);
      assert.deepEqual(spoofed, plain);
      assert.deepEqual(plain.cohort, { country: 'NP', utc_offset_minutes: 345 });
      const { network, network_kind: kind, route } = plain.body.request;
      assert.deepEqual([network, kind, route], ['203.0.113.0/24', 'data_centre', '/chat/:id']);
      for (const finer of ['Bhaktapur', 'Bagmati', 'P3', '44800', '27.67', '85.43', 'KTM', '501', 'Amazon', '16509', 'Kathmandu', '203.0.113.77']) {
        assert.ok(!JSON.stringify(plain).includes(finer), finer);
      }
      assert.deepEqual(origin.seen.slice(-1).flatMap(({ headers }) => Object.keys(headers).filter((name) => name.startsWith('sage-') || name === CF)), []);
    } finally {
      await sage.stop();
    }
  });

  test('open nothing and tell the intake nothing', async () => {
    const sage = await startSageBare({ origin: origin.url, cfHeader: CF, standIn, settings: { admin: { ip_allow: ['198.51.100.0/24', '2001:db8::/32'] } } });
    try {
      const admin = { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, 'cf-connecting-ip': '203.0.113.77' };
      for (const more of [{}, SPOOFED]) {
        const reply = await ask(sage.url, '/sage', { headers: { ...admin, ...more } });
        assert.equal(reply.status, 403, 'the address is not on the list');
        assert.equal((await ask(sage.url, '/sage', { headers: { ...more, 'cf-connecting-ip': '198.51.100.9' } })).status, 401);
        const turn = { type: 'consent', id: `c-${Object.keys(more).length}`, ts: new Date().toISOString(), user_id: 'u', state: 'granted' };
        const sent = await ask(sage.url, '/sage/v1/events', { method: 'POST', body: JSON.stringify(turn), headers: { 'content-type': 'application/json', ...more } });
        assert.equal(sent.status, 401);
      }
      const event = { type: 'journey', ts: new Date().toISOString(), user_id: 'u', name: 'opened' };
      const bodies = [];
      for (const [n, more] of [{}, SPOOFED].entries()) {
        const headers = { 'content-type': 'application/json', authorization: `Bearer ${SECRETS.SAGE_INGEST_KEY}`, [CF]: PLATFORM, ...more };
        const reply = await ask(sage.url, '/sage/v1/events', { method: 'POST', body: JSON.stringify({ ...event, id: `e-${n}` }), headers });
        bodies.push([reply.status, reply.body.toString()]);
      }
      assert.deepEqual(bodies[1], bodies[0]);
      const [plain, spoofed] = (await stored(sage)).map(({ id, ...rest }) => rest);
      assert.deepEqual(spoofed, plain);
    } finally {
      await sage.stop();
    }
  });

  test('are believed only where the settings name them', async () => {
    const cases = /** @type {const} */ ([
      [{ address: 'x-forwarded-for-last', country: 'cloudfront' }, '198.51.100.0/24', 'KP', undefined],
      [{ address: 'cloudfront-viewer-address', country: 'none' }, '198.51.100.0/24', undefined, undefined],
      [{ address: 'none' }, undefined, 'NP', 'data_centre'],
    ]);
    for (const [client, network, country, kind] of cases) {
      const sage = await startSageBare({ origin: origin.url, cfHeader: CF, standIn, settings: { client } });
      try {
        await ask(sage.url, '/', { headers: { ...SPOOFED, [CF]: PLATFORM, 'cf-connecting-ip': '203.0.113.77' } });
        const [{ cohort = {}, body: { request } }] = await stored(sage);
        assert.deepEqual([request.network, cohort.country, request.network_kind], [network, country, kind], JSON.stringify(client));
      } finally {
        await sage.stop();
      }
    }
  });

  test('Tor, and a place that no one knows', async () => {
    const sage = await startSageBare({ origin: origin.url, cfHeader: CF, standIn });
    try {
      for (const cf of [{ country: 'T1', asn: 24940 }, { country: 'XX' }, {}, { country: 7, timezone: {}, asn: 'x' }]) {
        await ask(sage.url, '/', { headers: { [CF]: JSON.stringify(cf), 'cf-ipcountry': 'KP' } });
      }
      const seen = (await stored(sage)).map(({ cohort = {}, body }) => [cohort.country, body.request.network_kind]);
      assert.deepEqual(seen, [['T1', 'tor'], [undefined, undefined], [undefined, undefined], [undefined, undefined]]);
    } finally {
      await sage.stop();
    }
  });
});

test('sage-inspect gives the routes and referrers of the edge, and campaigns are those of the list', async () => {
  const asked = [
    { url: '/', referrer: 'https://www.google.com/search?q=x' },
    { url: '/users/alice@example.com/diary?token=s3cr3t', referrer: 'https://mail.example.co.uk/inbox/alice' },
    { url: '/c/01ARZ3NDEKTSV4RRFFQ69G5FAV/edit', referrer: 'https://alice.github.io/' },
    { url: '/a/%2e%2e/b;x=1//c', referrer: 'http://203.0.113.9/' },
    { url: '/%C3%BCber/%00/caf%C3%A9.html', referrer: 'https://xn--bcher-kva.example/x' },
    { url: '/blog/how-to-leave-him/en-US', referrer: 'android-app://com.example' },
    { url: '/api/v2/threads/550e8400-e29b-41d4-a716-446655440000/messages', referrer: 'https://a.b.kobe.jp:8443/' },
    { url: '/oauth2/callback?code=4/0AX4&utm_source=newsletter&utm_medium=alice@example.com', referrer: 'not a url' },
    { url: '/etc/../../passwd', referrer: 'https://co.uk/' },
  ];
  const lines = asked.map((line) => JSON.stringify({ ...line, url: `https://chat.example.com${line.url}` })).join('\n');
  const told = execFileSync(SAGE_INSPECT, ['url'], { input: lines, encoding: 'utf8' }).trim().split('\n').map((line) => JSON.parse(line));
  const campaigns = { utm_source: ['newsletter'], utm_medium: ['email'] };
  const sage = await startSageBare({ origin: origin.url, standIn, settings: { urls: { campaigns } } });
  try {
    for (const { url, referrer } of asked) await ask(sage.url, url, { headers: { referer: referrer } });
    const seen = (await stored(sage)).map(({ body: { request } }) => request);
    assert.deepEqual(seen.map(({ route, referrer_domain = null }) => ({ route, referrer_domain })), told.map(({ route, referrer_domain }) => ({ route, referrer_domain })));
    assert.deepEqual(seen.map(({ campaign }) => campaign).filter(Boolean), [{ utm_source: 'newsletter', utm_medium: 'other' }]);
    assert.ok(!/alice@|s3cr3t|inbox|0AX4/.test(JSON.stringify(seen)), JSON.stringify(seen));
  } finally {
    await sage.stop();
  }
});

describe('10,000 paths and referrers of a stranger', () => {
  const MANY = 10_000;
  const ROWS_MAX = 51;

  /** A path that is like none before it. @param {ReturnType<typeof seeded>} random @param {number} n */
  function path(random, n) {
    const syllables = ['ka', 'lo', 'mi', 'ten', 'sar', 'vo', 'pli', 'du', 'ras', 'in', 'mo', 'be', 'ler', 'tan', 'gu'];
    const word = () => [1, 2, 3, 4].map(() => random.pick(syllables)).join('');
    const id = () => [1, 2, 3].map(() => random.below(2 ** 32).toString(36)).join('');
    return random.pick([
      () => `/${word()}`, () => `/${word()}/${word()}`, () => `/${word()}-${word()}/${n}`, () => `/users/${word()}`, () => `/c/${id()}`, () => `/${'x'.repeat(random.below(3_000))}${n}`,
      () => `/${word()}%2f..%2f${n}`, () => `/%ff%00${n}`, () => `/..;/${word()}/${n}`, () => `//${word()}//${id()}.php?${id()}`, () => `/${word()}/`.repeat(1 + random.below(200)),
    ])();
  }

  /** @param {Sage} sage @param {number} seed */
  async function flood(sage, seed) {
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    const random = seeded(seed);
    let left = MANY;
    const worker = async () => {
      while (left > 0) {
        left -= 1;
        const headers = { referer: `https://${path(random, left).replace(/[^a-z]/g, '').slice(0, 40) || 'x'}.example${random.below(5_000)}.com/${left}` };
        await new Promise((resolve, reject) => {
          httpRequest({ hostname: '127.0.0.1', port: sage.port, path: path(random, left), agent, headers }, (response) => response.resume().on('end', resolve)).on('error', reject).end();
        });
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    agent.destroy();
  }

  /** @param {Sage} sage @param {number} requests */
  async function operations(sage, requests) {
    for (const until = Date.now() + 30_000; ; await sleep(300)) {
      const reply = await ask(sage.url, '/sage?panel=operations', { headers: { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}` } });
      const { operations: panel } = JSON.parse(reply.body.toString()).panels;
      if (panel.requests.total.value === requests || Date.now() > until) return panel;
    }
  }

  /** @param {any[]} rows */
  const sum = (rows) => rows.reduce((total, row) => total + row.value, 0);

  test('fill no memory and no table', { timeout: 240_000 }, async () => {
    const sage = await startSageBare({ origin: origin.url, inspected: true });
    try {
      await ask(sage.url, '/chat', { headers: { referer: 'https://www.example.org/' } });
      await operations(sage, 1);
      await flood(sage, 1);
      await operations(sage, 1 + MANY);
      const before = await sage.isolate();
      await flood(sage, 2);
      const panel = await operations(sage, 1 + 2 * MANY);
      const { requests, routes, referrers } = panel;
      const after = await sage.isolate();
      assert.equal(requests.total.value, 1 + 2 * MANY);
      assert.ok(routes.length <= ROWS_MAX && referrers.length <= ROWS_MAX, `${routes.length} routes, ${referrers.length} referrers`);
      assert.deepEqual([sum(routes), sum(referrers)], [1 + 2 * MANY, 1 + 2 * MANY]);
      assert.ok(routes.some((/** @type {any} */ row) => row.bucket === ':other') && referrers.some((/** @type {any} */ row) => row.bucket === ':other'));
      const grown = (after.bytes - before.bytes) / 2 ** 20;
      console.log(`isolate after ${MANY} and ${2 * MANY} paths: ${(before.bytes / 2 ** 20).toFixed(1)} and ${(after.bytes / 2 ** 20).toFixed(1)} MiB`);
      assert.ok(grown < 4, `the isolate grew by ${grown.toFixed(1)} MiB`);
    } finally {
      await sage.stop();
    }
  });

  test('of an app that has none of them are one route', { timeout: 120_000 }, async () => {
    const app = await startOrigin();
    app.on('*', (request, response) => response.writeHead(request.url?.startsWith('/chat') ? 200 : 404).end());
    const sage = await startSageBare({ origin: app.url });
    try {
      await ask(sage.url, '/chat');
      await flood(sage, 3);
      const { routes } = await operations(sage, 1 + MANY);
      assert.deepEqual(routes.map((/** @type {any} */ { bucket, value, client_errors: failed }) => [bucket, value, failed.value]), [[':not_found', MANY, MANY], ['/chat', 1, 0]]);
    } finally {
      await sage.stop();
      await app.stop();
    }
  });
});
