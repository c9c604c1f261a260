// @ts-check
/** The snippet in a real browser, under a strict policy: what arrives, and what never goes over the wire. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launchBrowser } from '../lib/browser.mjs';
import { PUBLIC_KEY, startOrigin, startSage, until } from '../lib/sage.mjs';
import { startWire } from '../lib/wire.mjs';
import { bronze } from '../sdk/gateway_bronze.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContext} Context */

const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
/** The browser's own notes of what its policy refused. */
const WATCH_POLICY = () => {
  const page = /** @type {any} */ (globalThis);
  page.violations = [];
  addEventListener('securitypolicyviolation', (event) => page.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
};
const ENVELOPE = ['type', 'id', 'ts'];

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {import('../lib/sage.mjs').Sage} */
let sage;
/** @type {Awaited<ReturnType<typeof startWire>>} */
let wire;
/** @type {Awaited<ReturnType<typeof startOrigin>>} */
let app;
/** @type {Awaited<ReturnType<typeof startOrigin>>} */
let foreign;
/** @type {Context[]} */
const contexts = [];
/** The attributes of the script's tag. */
let attributes = '';

/** A page with the script, and one script of its own that breaks when it is told to. @param {string} src */
const html = (src) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A chat</title>
  <script defer src="${src}" ${attributes}></script><script defer src="/assets/main-3f2a1b9c.js"></script></head>
  <body><h1>Hello there</h1><p>Some words to paint.</p><button id="ask">Ask</button><button id="break">Break</button><button id="reject">Reject</button></body></html>`;
const MAIN = `
  (window.sage ??= []).push(['open']);
  document.querySelector('#ask').addEventListener('click', () => { const until = performance.now() + 60; while (performance.now() < until); });
  document.querySelector('#break').addEventListener('click', () => { null.secretOfAlice; });
  document.querySelector('#reject').addEventListener('click', () => { Promise.reject(Object.assign(new Error('alice@example.com'), { name: 'alice said no' })); });`;

/** @type {import('node:http').RequestListener} */
function answer(request, response) {
  const { pathname } = new URL(request.url ?? '/', 'http://app');
  if (pathname.startsWith('/assets/')) return void response.writeHead(pathname === '/assets/main-3f2a1b9c.js' ? 200 : 404, { 'content-type': 'text/javascript' }).end(MAIN);
  const own = request.headers.host !== new URL(foreign.url).host;
  const policy = own ? POLICY : POLICY.replaceAll("'self';", `'self' ${wire.url};`);
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'set-cookie': 'app=secret-of-the-app; HttpOnly; SameSite=Lax',
    ...(pathname === '/no-referrer' ? { 'referrer-policy': 'no-referrer' } : {}),
  });
  response.end(pathname === '/bare' ? '<!doctype html><title>Bare</title><p>Nothing' : html(own ? '/sage/sage.js' : `${wire.url}/sage/sage.js`));
}

before(async () => {
  // Tests of other things do without the cache of pages; visitors do not.
  browser = await launchBrowser({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  app = await startOrigin(answer);
  foreign = await startOrigin(answer);
});
beforeEach(async () => {
  sage = await startSage({ origin: app.url, settings: { browser: { allowed_origins: [foreign.url] } } });
  wire = await startWire(sage.port);
  attributes = `data-key="${PUBLIC_KEY}"`;
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  await wire.close();
  await sage.stop();
});
after(async () => {
  await browser?.close();
  await app?.close();
  await foreign?.close();
});

/**
 * A page of a new profile.
 * @param {{ path?: string, at?: string, init?: () => void, headers?: Record<string, string> }} [how]
 */
async function visit({ path = '/chat?token=s3cret#fragment', at = wire.url, init, headers } = {}) {
  const context = await browser.newContext(headers ? { extraHTTPHeaders: headers } : {});
  contexts.push(context);
  await context.addInitScript(WATCH_POLICY);
  if (init) await context.addInitScript(init);
  const page = await context.newPage();
  await page.goto(at + path, { waitUntil: 'load' });
  await page.waitForFunction(() => window.sage && !Array.isArray(window.sage));
  return { context, page };
}

/** @param {Page} page @param {import('../../snippet/sage.d.ts').Call[]} calls */
const tell = (page, ...calls) => page.evaluate((all) => { for (const call of all) window.sage?.push(call); }, calls);

/** What a page keeps on the device, its own cookie aside. @param {Page} page */
async function kept(page) {
  const cookies = (await page.context().cookies()).map(({ name }) => name).filter((name) => name !== 'app');
  const stored = await page.evaluate(async () => [
    ...Object.keys(localStorage), ...Object.keys(sessionStorage), ...(await indexedDB.databases()).map(({ name }) => name), ...(await caches.keys()),
    ...(await navigator.serviceWorker.getRegistrations()).map(({ scope }) => scope), window.name,
  ].filter(Boolean));
  return [...cookies, ...stored];
}

/** @param {Page} page @returns {Promise<string[]>} */
const violations = (page) => page.evaluate(() => /** @type {any} */ (globalThis).violations);

/** How many events `/sage` says are stored. */
async function stored() {
  const { intake } = (await sage.sage('panel=operations')).panels.operations;
  assert.equal(intake.received.value, intake.stored.value + intake.duplicate.value + intake.dropped.value + intake.dead_lettered.value);
  return { stored: intake.stored.value - (await requests()), duplicate: intake.duplicate.value, dropped: intake.dropped.value, dead: intake.dead_lettered.value };
}
const requests = async () => (await sage.sage('panel=operations')).panels.operations.requests.total.value;

/** What Bronze holds of pages, once the requests for them are in, too: what comes after the nightly job waits for minutes. */
async function ofPages() {
  const passed = wire.seen.filter(({ path }) => !/^\/sage\/|\.\w+$/.test(path)).length;
  await until('every request in /sage', async () => (await requests()) === passed, { ms: 15_000 });
  return (await bronze(sage)).filter(({ source }) => source === 'browser');
}

/** @param {any[]} events */
const byKind = (events) => Object.fromEntries(Object.entries(Object.groupBy(events, ({ type }) => type)).map(([type, all]) => [type, all?.length]));

describe('what arrives', { timeout: 120_000 }, () => {
  test('vitals, errors, feedback, a funnel: counted once each, under a strict policy, with nothing kept on the device', async () => {
    const { page } = await visit();
    await tell(page, ['step', 'connect', 'asked', { intent: 'sleep' }], ['step', 'connect', 'done', { success: true, confidence: 0.9, duration_ms: 20 }], ['minimise'], ['track', 'tour_finished'],
      ['feedback', 'down', { turn_index: 0, model: 'gpt-4o', text: 'not helpful, mail alice@example.com', wishes: ['dark-mode'] }], ['feedback', 5], ['error', 'composer', 'too_long', { message: 'typed by alice' }], ['close']);
    for (const id of ['ask', 'break', 'reject']) await page.click(`#${id}`);
    await page.evaluate(() => { document.body.append(Object.assign(new Image(), { src: '/assets/nowhere.png' })); history.pushState(null, '', '/users/alice@example.com?q=alice'); });
    await sleep(500);
    // Away: what is known only now goes, too.
    await page.goto(`${wire.url}/bare`);
    const expected = { journey: 6, vital: 5, feedback: 2, error: 4 };
    await until('every event on the wire', () => JSON.stringify(byKind(wire.events()), Object.keys(expected)) === JSON.stringify(expected)).catch(() => assert.deepEqual(byKind(wire.events()), expected));
    const total = Object.values(expected).reduce((sum, count) => sum + count);
    // The image that the policy refuses is one of the errors; nothing else was refused.
    await until('every event in /sage', async () => (await stored()).stored === total, { ms: 15_000 }).catch(async () => assert.deepEqual(await stored(), { stored: total }));
    assert.deepEqual(await stored(), { stored: total, duplicate: 0, dropped: 0, dead: 0 });
    assert.equal((await sage.sage('panel=operations')).panels.operations.reported_errors.value, 4);

    const sent = wire.events();
    assert.equal(new Set(sent.map(({ id }) => id)).size, total);
    for (const event of sent) {
      assert.ok(!('user_id' in event || 'session_id' in event || 'conversation_id' in event), 'no id that was not given');
      assert.ok(Math.abs(Date.parse(event.ts) - Date.now()) < 60_000);
    }
    const vitals = Object.fromEntries(sent.filter(({ type }) => type === 'vital').map(({ name, value, url }) => [name, { value, url }]));
    assert.deepEqual(Object.keys(vitals).sort(), ['cls', 'fcp', 'inp', 'lcp', 'ttfb']);
    for (const { url } of Object.values(vitals)) assert.equal(url, '/chat');
    assert.ok(vitals.inp.value >= 48 && vitals.lcp.value >= vitals.fcp.value && vitals.fcp.value >= vitals.ttfb.value);
    const errors = sent.filter(({ type }) => type === 'error');
    assert.deepEqual(errors.map(({ component, code, message }) => [component, code, message]), [
      ['composer', 'too_long', undefined], ['main', 'TypeError', undefined], ['promise', 'UnhandledRejection', undefined], ['resource', 'img', undefined],
    ]);
    assert.deepEqual(sent.filter(({ type }) => type === 'journey').map(({ name, funnel }) => [name, funnel]), [
      ['chat_opened', undefined], ['asked', 'connect'], ['done', 'connect'], ['chat_minimised', undefined], ['tour_finished', undefined], ['chat_closed', undefined],
    ]);
    // On the wire: simple requests without cookies, without the page's address.
    for (const { method, headers, query, body } of wire.intake()) {
      assert.equal(method, 'POST', 'no preflight');
      assert.deepEqual([headers.cookie, headers.referer, headers.origin], [undefined, undefined, wire.url]);
      assert.deepEqual([...query.keys()], ['key', 'sent']);
      assert.doesNotMatch(body, /s3cret|fragment|users\/|typed by|said no/);
    }
    assert.equal(wire.seen.filter(({ headers }) => headers.cookie).length > 0, true, 'the app itself has its cookie');

    const pages = await ofPages();
    assert.equal(pages.length, total);
    assert.doesNotMatch(JSON.stringify(pages), /alice|s3cret|not helpful/);
    assert.deepEqual(pages.filter(({ body }) => body.feedback).map(({ body }) => [body.feedback.rating, body.feedback.text_chars, body.feedback.turn_index]), [['down', 35, 0], ['5', 0, undefined]]);
  });

  test('a strict policy has nothing to complain of, and the device keeps nothing', async () => {
    const { page } = await visit();
    await tell(page, ['open'], ['feedback', 'up'], ['flush']);
    await page.click('#break');
    await until('the batch', () => wire.events().length >= 2);
    await page.goto(`${wire.url}/chat`);
    await page.waitForFunction(() => window.sage && !Array.isArray(window.sage));
    await tell(page, ['consent', 'granted'], ['track', 'again'], ['flush']);
    await until('the next', () => wire.events().some(({ name }) => name === 'again'));
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await kept(page), []);
  });

  test('visits have a name where the operator wants it, in the tab alone', async () => {
    attributes += ' data-sessions';
    const { page, context } = await visit();
    await tell(page, ['conversation', 'talk-1'], ['track', 'one'], ['conversation', null], ['track', 'two']);
    await page.goto(`${wire.url}/chat`);
    await page.waitForFunction(() => window.sage && !Array.isArray(window.sage));
    await tell(page, ['track', 'three'], ['flush']);
    const other = await context.newPage();
    await other.goto(`${wire.url}/chat`);
    await other.waitForFunction(() => window.sage && !Array.isArray(window.sage));
    await tell(other, ['track', 'four'], ['flush']);
    const named = (/** @type {string} */ name) => until(name, () => wire.events().find((event) => event.name === name));
    const [one, two, three, four] = [await named('one'), await named('two'), await named('three'), await named('four')];
    assert.ok(one.session_id && one.session_id === two.session_id && two.session_id === three.session_id);
    assert.notEqual(four.session_id, one.session_id);
    assert.deepEqual([one.conversation_id, two.conversation_id], ['talk-1', undefined]);
    assert.deepEqual(await kept(page), ['sage']);
    await tell(page, ['consent', 'withdrawn']);
    assert.deepEqual(await kept(page), [], 'and it goes when consent does');
  });

  test('as a module, and by calls made before the script was there', async () => {
    attributes = '';
    const { page } = await visit();
    await tell(page, ['track', 'early']);
    const path = '/sage/sage.mjs';
    await page.evaluate(async ([path, key]) => {
      const { default: sage, start, track } = await import(path);
      start({ key, messages: true });
      track('late');
      sage.error('composer', 'broken', { message: 'as the operator wants' });
      sage.feedback('sideways');
      sage.error();
      sage.push(['no_such_call']);
      sage.push(undefined);
      sage.flush();
    }, [path, PUBLIC_KEY]);
    await until('three journeys', () => wire.events().filter(({ type }) => type === 'journey').length === 3);
    assert.deepEqual(wire.events().filter(({ type }) => type === 'journey').map(({ name }) => name), ['chat_opened', 'early', 'late']);
    assert.equal(wire.events().find(({ code }) => code === 'broken').message, 'as the operator wants');
  });

  test('from pages of another origin that is allowed, and from a page that hides its own', async () => {
    const there = await visit({ at: foreign.url, path: '/chat' });
    await tell(there.page, ['track', 'elsewhere'], ['flush']);
    const hidden = await visit({ path: '/no-referrer' });
    await tell(hidden.page, ['track', 'hidden'], ['flush']);
    await until('both', () => wire.events().filter(({ name }) => name === 'elsewhere' || name === 'hidden').length === 2);
    await until('stored', async () => (await stored()).stored >= 4);
    assert.deepEqual(await violations(there.page), []);
    assert.ok(wire.intake().every(({ method, headers }) => method === 'POST' && !headers.cookie && !headers.referer));
    assert.deepEqual(await kept(there.page), []);
  });
});

describe('what does not leave', { timeout: 120_000 }, () => {
  const signals = {
    'Global Privacy Control': { init: () => Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true }), headers: { 'sec-gpc': '1' } },
    'Do Not Track': { init: () => Object.defineProperty(Navigator.prototype, 'doNotTrack', { get: () => '1' }), headers: { dnt: '1' } },
    'consent that is withdrawn': { init: undefined, headers: undefined },
  };
  for (const [name, { init, headers }] of Object.entries(signals)) {
    test(`${name}: errors without any id, and nothing else`, async () => {
      attributes += ' data-sessions data-messages';
      for (let round = 0; round < 2; round++) {
        const { page } = await visit({ path: '/users/alice?token=s3cret', init, headers });
        if (!init) await tell(page, ['track', 'before'], ['error', 'composer', 'before', { message: 'alice' }], ['consent', 'withdrawn']);
        await tell(page, ['user', 'alice'], ['conversation', 'talk-of-alice'], ['open'], ['step', 'connect', 'done'], ['feedback', 'up', { text: 'I am Alice' }], ['error', 'composer', 'too_long', { message: 'typed by Alice', fatal: true }]);
        for (const id of ['ask', 'break', 'reject']) await page.click(`#${id}`);
        await sleep(300);
        assert.deepEqual(await kept(page), []);
        await page.goto(`${wire.url}/bare`);
        await until('the errors', () => wire.events().filter(({ code }) => code === 'UnhandledRejection').length === round + 1);
      }
      await sleep(500);
      const sent = wire.events();
      const codes = [...(init ? [] : ['before']), 'too_long', 'TypeError', 'UnhandledRejection'];
      assert.deepEqual(sent.map(({ code }) => code), [...codes, ...codes]);
      for (const event of sent) {
        assert.deepEqual(Object.keys(event).filter((member) => ![...ENVELOPE, 'component', 'code', 'fatal', 'opted_out'].includes(member)), []);
        assert.deepEqual([event.type, event.opted_out], ['error', true]);
      }
      // No word is the same from visit to visit but the kinds of errors; an event's id is made for it alone.
      assert.equal(new Set(sent.map(({ id }) => id)).size, sent.length);
      for (const { method, headers, query, body } of wire.intake()) {
        assert.equal(method, 'POST');
        assert.deepEqual([headers.cookie, headers.referer, headers.authorization], [undefined, undefined, undefined]);
        assert.deepEqual([...query.keys()], ['key', 'sent']);
        assert.doesNotMatch(body, /alice|s3cret|users/i);
      }
      await until('the errors are counted', async () => (await sage.sage('panel=operations')).panels.operations.reported_errors.value === sent.length);
      for (const event of await ofPages()) {
        assert.deepEqual(Object.keys(event).sort(), ['body', 'id', 'source', 'ts']);
        assert.deepEqual(Object.keys(event.body), ['error']);
        assert.equal(event.body.error.message_digest ?? null, null);
      }
    });
  }

  test('where consent is required, nothing before it, all after it, errors alone when it is withdrawn', async () => {
    attributes += ' data-consent="required" data-sessions';
    const { page } = await visit();
    await tell(page, ['track', 'unasked'], ['feedback', 'up'], ['error', 'composer', 'unasked'], ['flush']);
    await page.click('#break');
    await sleep(300);
    assert.deepEqual(await kept(page), []);
    assert.deepEqual(wire.intake(), []);
    await tell(page, ['consent', 'granted'], ['track', 'asked'], ['flush']);
    await until('the first, and how the page began', async () => {
      await tell(page, ['flush']);
      return ['asked', 'fcp', 'ttfb'].every((wanted) => wire.events().some(({ name }) => name === wanted));
    });
    // What waits is reduced, too.
    await tell(page, ['track', 'too_late'], ['consent', 'withdrawn'], ['consent', 'granted'], ['consent', 'withdrawn'], ['error', 'composer', 'after'], ['flush']);
    await tell(page, ['consent', 'granted'], ['track', 'changed_their_mind'], ['flush']);
    await until('the last', () => wire.events().some(({ name }) => name === 'changed_their_mind'));
    await tell(page, ['track', 'too_late'], ['consent', 'withdrawn'], ['consent', 'granted'], ['flush']);
    await page.goto(`${wire.url}/bare`);
    await sleep(500);
    const sent = wire.events();
    assert.ok(!sent.some(({ name, code }) => [name, code].some((word) => ['unasked', 'too_late', 'TypeError', 'chat_opened'].includes(word))), JSON.stringify(sent));
    assert.ok(sent.filter(({ type }) => type !== 'error').every(({ session_id }) => session_id));
  });
});

describe('what breaks', { timeout: 120_000 }, () => {
  test('offline, events wait and arrive once', async () => {
    const { page, context } = await visit();
    await tell(page, ['flush']);
    await until('the first', () => wire.events().some(({ name }) => name === 'chat_opened'));
    await context.setOffline(true);
    for (let n = 0; n < 120; n++) await tell(page, ['track', `offline_${n}`]);
    await tell(page, ['flush']);
    await sleep(500);
    assert.ok(!wire.events().some(({ name }) => String(name).startsWith('offline')));
    assert.deepEqual(await kept(page), [], 'in memory');
    await context.setOffline(false);
    await until('all', async () => (await stored()).stored >= 121, { ms: 15_000 });
    const sent = wire.events().filter(({ name }) => String(name).startsWith('offline'));
    assert.deepEqual(sent.map(({ name }) => name), Array.from({ length: 120 }, (_, n) => `offline_${n}`));
    assert.deepEqual(await violations(page), []);
  });

  test('a Sage that is away, refuses for a while or loses its replies: tried again, with the same ids', async () => {
    const fates = /** @type {import('../lib/wire.mjs').Fate[]} */ (['cut', 503, 'lose the reply', 429]);
    let tries = 0;
    const { page } = await visit();
    wire.control.fate = ({ path }) => (path === '/sage/v1/events' ? (fates[tries++] ?? 'pass') : 'pass');
    await tell(page, ['track', 'persistent'], ['flush']);
    await until('five tries', () => tries >= 5, { ms: 30_000 });
    const ids = wire.events().filter(({ name }) => name === 'persistent').map(({ id }) => id);
    assert.ok(ids.length >= 5 && new Set(ids).size === 1);
    await until('stored once', async () => (await stored()).duplicate >= 1);
    const events = (await ofPages()).filter(({ body }) => body.journey?.name === 'persistent');
    assert.equal(events.length, 1);
    // Slower each time, and no faster than it was told. (What has the same time is the browser's own doing, on a connection that broke.)
    const at = [...new Set(wire.intake().map(({ query }) => Number(query.get('sent'))))];
    assert.ok(at[1] - at[0] >= 900 && at[2] - at[1] >= 1_900 && at[3] - at[2] >= 3_900, `${at.map((ms, n) => ms - (at[n - 1] ?? ms))}`);
  });

  test('what Sage refuses for good is not tried again', async () => {
    for (const status of [400, 401, 403, 413]) {
      const { page } = await visit();
      let tries = 0;
      wire.control.fate = ({ path, body }) => (path === '/sage/v1/events' && body.includes(`refused_${status}`) ? (tries++, status) : 'pass');
      await tell(page, ['track', `refused_${status}`], ['flush']);
      await until('the refusal', () => tries === 1);
      await tell(page, ['track', `after_${status}`], ['flush']);
      await until('the next', () => wire.events().some(({ name }) => name === `after_${status}`));
      assert.equal(tries, 1);
    }
  });

  test('a page that breaks in a loop is told of fifty times', async () => {
    const { page } = await visit();
    for (let n = 0; n < 80; n++) await page.evaluate(() => { setTimeout(() => document.querySelector('#break')?.dispatchEvent(new Event('click')), 0); });
    await tell(page, ['error', 'app', 'told_by_hand'], ['flush']);
    await until('the last', () => wire.events().some(({ code }) => code === 'told_by_hand'));
    await page.goto(`${wire.url}/bare`);
    await sleep(500);
    assert.equal(wire.events().filter(({ code }) => code === 'TypeError').length, 50);
  });
});

describe('when the page goes', { timeout: 120_000 }, () => {
  const names = (/** @type {string} */ start) => wire.events().filter(({ name }) => String(name).startsWith(start)).map(({ name }) => name);

  test('to another page, closed, or hidden: what waits goes at once', async () => {
    const gone = await visit();
    await tell(gone.page, ['track', 'leaving']);
    await gone.page.goto('about:blank');
    await until('after leaving', () => names('leaving').length === 1, { ms: 3_000 });

    const closed = await visit();
    await tell(closed.page, ['track', 'closing']);
    await closed.page.close({ runBeforeUnload: true });
    await until('after closing', () => names('closing').length === 1, { ms: 3_000 });

    const { page } = await visit({ path: '/hides' });
    for (const name of ['hiding', 'hiding_again']) {
      await page.evaluate((name) => {
        const become = (/** @type {string} */ state) => {
          Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
          document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
        };
        become('visible');
        window.sage?.push(['track', name]);
        become('hidden');
      }, name);
      await until(name, () => names('hiding').includes(name), { ms: 1_000 });
      // What jumps between the two would be a second word on the same page.
      await page.evaluate(() => { for (let n = 0; n < 9; n++) document.querySelector('h1')?.insertAdjacentElement('beforebegin', document.createElement('h1'))?.append('jump'); });
      await sleep(300);
    }
    const shifts = () => wire.events().filter(({ name, url }) => name === 'cls' && url === '/hides');
    assert.equal(shifts().length, 1);
  });

  test('more than a browser sends for a page that is gone: as much as it takes, the rest while it lives', async () => {
    const { page } = await visit();
    await page.evaluate(() => {
      for (let n = 0; n < 30; n++) window.sage?.push(['feedback', 'up', { text: 'ü'.repeat(10_000) }]);
      dispatchEvent(new Event('pagehide'));
    });
    await until('all', async () => (await stored()).stored >= 31, { ms: 30_000 });
    assert.ok(wire.intake().every(({ body }) => Buffer.byteLength(body) <= 60_000));
    assert.equal((await stored()).stored, new Set(wire.events().map(({ id }) => id)).size);
  });

  test('and comes back from the cache: one more of each vital, nothing lost', async () => {
    const { page } = await visit({ path: '/chat' });
    await page.evaluate(() => { history.replaceState(null, '', '/settings'); addEventListener('pageshow', ({ persisted }) => { document.title = `persisted ${persisted}`; }); });
    await tell(page, ['track', 'back_1']);
    await page.goto(`${wire.url}/bare`);
    await page.goBack({ waitUntil: 'commit' });
    await page.waitForFunction(() => document.title === 'persisted true');
    await tell(page, ['track', 'back_2']);
    await sleep(300);
    await page.goto(`${wire.url}/bare`);
    await until('both', () => names('back').length === 2);
    await sleep(300);
    const vitals = (/** @type {string} */ name) => wire.events().filter((event) => event.name === name).map(({ url }) => url);
    for (const name of ['ttfb', 'fcp', 'lcp', 'cls']) assert.deepEqual(vitals(name), ['/chat', '/settings'], name);
  });

  test('a browser without keepalive: by beacon; of a person who does not want to be tracked never, for it carries cookies', async () => {
    const init = () => { delete (/** @type {any} */ (Request.prototype).keepalive); };
    const { page } = await visit({ init });
    await tell(page, ['track', 'beacon']);
    const [sent] = await Promise.all([page.evaluate(() => {
      const calls = /** @type {string[]} */ ([]);
      const { sendBeacon } = navigator;
      navigator.sendBeacon = (url, body) => { calls.push(String(url)); return sendBeacon.call(navigator, url, body); };
      dispatchEvent(new Event('pagehide'));
      return calls.length;
    })]);
    assert.equal(sent, 1);
    await until('by beacon', () => names('beacon').length === 1);
    await until('stored', async () => (await stored()).stored >= 1);

    const quiet = await visit({ init });
    await tell(quiet.page, ['consent', 'withdrawn'], ['error', 'composer', 'quiet']);
    assert.equal(await quiet.page.evaluate(() => {
      let calls = 0;
      navigator.sendBeacon = () => { calls++; return true; };
      dispatchEvent(new Event('pagehide'));
      return calls;
    }), 0);
    await until('without', () => wire.events().some(({ code }) => code === 'quiet'));
    assert.ok(wire.intake().filter(({ body }) => body.includes('quiet')).every(({ headers }) => !headers.cookie));
  });
});
