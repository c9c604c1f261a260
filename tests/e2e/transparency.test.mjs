// @ts-check
/** The public page through a quarter's life: it runs, settles, closes once, and stays. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';


import { launchBrowser } from '../lib/browser.mjs';
import { ADMIN_TOKEN, FAULT_BUILD, startSage } from '../lib/sage.mjs';

const DAY_MS = 86_400_000;
const PEOPLE = 160;
const START = new Date();
const QUARTER = Math.floor(START.getUTCMonth() / 3);
/** Start of the quarter's `month`th month, and of the next quarter for 3. */
const monthStart = (/** @type {number} */ month) => Date.UTC(START.getUTCFullYear(), QUARTER * 3 + month);
const name = `${START.getUTCFullYear()}-Q${QUARTER + 1}`;
let number = 0;

/** @param {Record<string, unknown>} over */
const event = (over) => ({ id: `transparency-${++number}`, ts: new Date(Date.now() - 1_000).toISOString(), ...over });
const turn = (/** @type {string} */ user, over = {}) => event({
  type: 'turn', user_id: user, conversation_id: `talk of ${user}`, provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 9, output_tokens: 9 }, ...over,
});
/** A Sage whose clock is at `at`. @param {number} at */
const clock = (at) => ({ SAGE_TEST_CLOCK_OFFSET_MS: String(Math.round(at - Date.now())) });

describe('a quarter', { timeout: 300_000 }, () => {
  const settings = { public: { user_turns_max: 20, referrals: { 2024: 70, 2025: 12 }, corrections: [{ quarter: name, date: '2027-02-01', note: 'A note <beside> it.' }] } };
  const settled = monthStart(3) + 7 * DAY_MS + 3_600_000;
  /** @type {import('../lib/sage.mjs').Sage} */
  let sage;
  /** @type {any} */
  let made;
  /** Calls that hang. @type {import('../lib/sage.mjs').Faults} */
  const faults = { objects: () => 'ok' };

  const page = async () => {
    const reply = await sage.request('/safety/transparency.json');
    assert.equal(reply.status, 200, reply.text);
    return reply.json;
  };
  const quarter = async () => (await page()).quarters.find((/** @type {any} */ one) => one.quarter === name);

  before(async () => {
    sage = await startSage({ shards: 2, build: FAULT_BUILD, settings, faults });
    const people = Array.from({ length: PEOPLE }, (_, n) => turn(`reader ${n}`));
    const loud = Array.from({ length: 90 }, () => turn('reader 0'));
    const others = [
      ...Array.from({ length: 3 }, () => event({ type: 'crisis', event: 'referral', severity: 3 })),
      ...Array.from({ length: 70 }, () => event({ type: 'crisis', event: 'flagged', severity: 2 })),
      event({ type: 'incident', severity: 'p0', code: 'outage-1' }),
      event({ type: 'notice', kind: 'safety_policy', code: 'policy-v2' }),
      event({ type: 'notice', kind: 'wish_building', code: 'dark-mode' }),
    ];
    assert.equal((await sage.send([...people, ...loud, ...others])).json.stored, people.length + loud.length + others.length);
  });
  after(() => sage?.stop());

  test('while it runs, nothing that people stand behind', async () => {
    const running = await quarter();
    assert.equal(running.state, 'running');
    for (const metric of [running.users, running.sessions, running.turns, running.crisis.flagged, running.countries.number]) assert.deepEqual([metric.value, metric.n], [null, 0]);
    assert.equal(running.incidents.p0.value, 1);
    assert.deepEqual(running.safety_policy.map((/** @type {any} */ one) => one.code), ['policy-v2']);
    assert.deepEqual(running.wishes.map((/** @type {any} */ one) => [one.bucket, one.status, one.value]), [['dark-mode', 'building', null]]);
    const html = (await sage.request('/safety/transparency')).text;
    assert.match(html, /told when the quarter is over/);
    assert.ok(!html.includes(String(PEOPLE)));
    const { crisis } = (await sage.sage('panel=crisis')).panels;
    const years = Object.fromEntries(crisis.referrals_by_year.map((/** @type {any} */ one) => [one.bucket, one.value]));
    assert.deepEqual([years[2024], years[2025], years[START.getUTCFullYear()]], [70, 12, 3], 'exact for the report, however few');
  });

  test('once its month has settled, a step', async (t) => {
    const month = START.getUTCMonth() % 3 + 1;
    if (month === 3) return t.skip('the last month is told with the quarter');
    await sage.restart({ secrets: clock(monthStart(month) + 7 * DAY_MS + 3_600_000) });
    const running = await quarter();
    assert.deepEqual([running.users.value, running.users.at_least, running.users.exact], [100, true, false]);
    assert.match((await sage.request('/safety/transparency')).text, /100 or more/);
  });

  test('it closes when every Shard has answered, and says the same ever after', async () => {
    faults.objects = ({ name: object, path }) => (object.endsWith('1') && path.startsWith('/pull') ? 'throw' : 'ok');
    await sage.restart({ secrets: clock(settled) });
    assert.equal(await quarter(), undefined, 'not half of it');
    faults.objects = () => 'ok';
    await sage.restart();
    made = await quarter();
    assert.deepEqual([made.state, made.users.value, made.sessions.value, made.turns.value], ['closed', PEOPLE, PEOPLE, PEOPLE - 1 + 20], 'one person adds no more than 20 turns');
    assert.deepEqual([made.crisis.flagged.value, made.crisis.referrals.value, made.crisis.referrals.hidden, made.crisis.escalations.value], [70, null, 'fewer_than_50_people', 0]);
    assert.deepEqual([made.incidents.p0.value, made.incidents.p1.value], [1, 0]);
    assert.equal(made.corrections[0].note, 'A note <beside> it.');
    assert.match((await sage.request('/safety/transparency')).text, /A note &lt;beside&gt; it\./);

    const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
    assert.equal((await sage.request('/sage/v1/users/reader%201', { method: 'DELETE', ...admin })).json.events, 1);
    const late = turn('a latecomer', { ts: new Date(monthStart(3) - 60_000).toISOString() });
    await sage.send(late);
    await sage.kill9();
    await sage.restart({ settings: { public: { ...settings.public, people_min: 500 } }, secrets: clock(settled + 30 * DAY_MS) });
    assert.deepEqual(await quarter(), made, 'neither an erasure nor a latecomer nor another setting moves it');
  });

  test('its year gives no quarter away, and is exact in the report', async () => {
    const years = Object.fromEntries((await page()).referrals_by_year.map((/** @type {any} */ one) => [one.bucket, one]));
    assert.deepEqual([years[2024].value, years[2025].hidden], [null, 'fewer_than_50_people'], 'k is 500 here');
    if (QUARTER === 3) assert.deepEqual([years[START.getUTCFullYear()].value, years[START.getUTCFullYear()].hidden], [null, 'protects_another']);
    const { crisis } = (await sage.sage('panel=crisis')).panels;
    assert.equal(crisis.referrals_by_year.find((/** @type {any} */ one) => one.bucket === String(START.getUTCFullYear())).value, 3);
  });
});

test('six users, and none: true, and nothing revealing', { timeout: 120_000 }, async () => {
  const sage = await startSage({ build: FAULT_BUILD });
  try {
    const empty = (await sage.request('/safety/transparency.json')).json;
    assert.deepEqual(empty.quarters.map((/** @type {any} */ one) => one.state), ['running']);
    await sage.send(Array.from({ length: 6 }, (_, n) => turn(`one of six ${n}`)));
    await sage.restart({ secrets: clock(monthStart(3) + 8 * DAY_MS) });
    const { json } = await sage.request('/safety/transparency.json');
    const closed = json.quarters.find((/** @type {any} */ one) => one.closed);
    for (const metric of [closed.users, closed.sessions, closed.turns, closed.crisis.referrals, closed.crisis.flagged]) {
      assert.deepEqual([metric.value, metric.hidden, metric.n], [null, 'fewer_than_50_people', 0]);
    }
    assert.equal(closed.incidents.p0.value, 0);
    assert.match((await sage.request('/safety/transparency')).text, /not shown: fewer than 50 people/);
  } finally {
    await sage.stop();
  }
});

test('readable on a phone and a desk, by day and by night, without a script', { timeout: 120_000 }, async () => {
  const sage = await startSage({ build: FAULT_BUILD });
  const browser = await launchBrowser();
  try {
    await sage.send([...Array.from({ length: 1_000 }, (_, n) => turn(`many ${n}`)), ...Array.from({ length: 120 }, () => event({ type: 'crisis', event: 'flagged', severity: 2, disposition: 'emergency_instructions' })),
      event({ type: 'notice', kind: 'wish_planned', code: 'a-wish-with-a-long-name-that-has-to-wrap-on-a-narrow-screen-too' })]);
    await sage.restart({ secrets: clock(monthStart(3) + 8 * DAY_MS) });
    for (const [width, height] of [[360, 740], [1280, 800]]) {
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        const context = await browser.newContext({ viewport: { width, height }, colorScheme });
        const page = await context.newPage();
        await page.goto(`${sage.url}/safety/transparency`);
        const found = await page.evaluate(() => {
          const luminance = (/** @type {string} */ color) => {
            const parts = (color.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => { const c = Number(part) / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const ground = luminance(getComputedStyle(document.querySelector('section') ?? document.body).backgroundColor);
          const contrasts = [...document.querySelectorAll('dd, dt, th, td, li, .state')].map((one) => {
            const ink = luminance(getComputedStyle(one).color);
            return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
          });
          return { fits: document.documentElement.scrollWidth <= window.innerWidth, contrast: Math.min(...contrasts), ground, text: document.body.innerText };
        });
        assert.ok(found.fits, `${width} px`);
        assert.ok(found.contrast >= 4.5, `contrast ${found.contrast.toFixed(2)} (${colorScheme})`);
        assert.equal(found.ground < 0.2, colorScheme === 'dark');
        assert.match(found.text, /1,000/);
        assert.match(found.text, /emergency instructions\s+120/);
        if (process.env.SAGE_SHOTS) await page.screenshot({ path: `${process.env.SAGE_SHOTS}/transparency-${width}-${colorScheme}.png`, fullPage: true });
        await context.close();
      }
    }
  } finally {
    await browser.close();
    await sage.stop();
  }
});
