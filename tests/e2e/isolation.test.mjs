// @ts-check
/** Sage gets out of the way: whatever of its own hangs, panics or is out of reach, the app's replies do not notice, and no number is wrong. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { FAULT_BUILD, freePort, startOrigin, startSage, until } from '../lib/sage.mjs';

const REQUESTS = 200;
const ROUNDS_MAX = 3;
/** What two runs of the same may differ by on a busy machine. */
const P50_MS_MAX = 2;
const P95_MS_MAX = 10;
/** The intake gives a Shard 5 s. */
const INTAKE_MS_MAX = 6_000;
const BODY = 'the app says hello '.repeat(400);

let number = 0;
/** @param {number} count */
function turns(count) {
  return Array.from({ length: count }, () => {
    number++;
    return {
      type: 'turn', id: `isolation-${number}`, ts: new Date(Date.now() - 1_000).toISOString(), user_id: `person-${number % 40}`, conversation_id: `talk-${number % 40}`,
      provider: 'anthropic', model: 'claude-sonnet-4-5', usage: { input_tokens: 1200, output_tokens: 340 },
    };
  });
}
const TURN_NANO_USD = 8_700_000;

/** @type {Awaited<ReturnType<typeof startOrigin>>} */
let app;
let asked = 0;
before(async () => {
  app = await startOrigin((request, response) => {
    asked++;
    request.resume();
    response.writeHead(request.url === '/teapot' ? 418 : 200, { 'content-type': 'text/plain', 'x-app': 'yes' }).end(BODY);
  });
});
after(() => app?.close());

/** One request through the proxy, checked; its milliseconds. @param {import('../lib/sage.mjs').Sage} sage @param {string} [path] */
async function through(sage, path = '/chat') {
  const began = performance.now();
  const reply = await sage.request(path, { timeoutMs: 10_000 });
  const ms = performance.now() - began;
  assert.equal(reply.status, 200, reply.text.slice(0, 200));
  assert.equal(reply.headers.get('x-app'), 'yes');
  assert.equal(reply.text, BODY);
  return ms;
}

/** @param {number[]} values @param {number} share */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1];

/**
 * Two Sages by turns, so that both see the same machine. Other work on it can only add to a difference: the best of three
 * rounds counts. Returns how many requests each had.
 * @param {import('node:test').TestContext} t
 * @param {string} what
 * @param {import('../lib/sage.mjs').Sage} healthy
 * @param {import('../lib/sage.mjs').Sage} ailing
 */
async function compare(t, what, healthy, ailing) {
  for (let round = 1; ; round++) {
    /** @type {number[][]} */
    const ms = [[], []];
    for (let n = 0; n < REQUESTS; n++) {
      for (const which of n % 2 ? [0, 1] : [1, 0]) ms[which].push(await through([healthy, ailing][which]));
    }
    const [p50, p95] = [0.5, 0.95].map((share) => ms.map((values) => quantile(values, share)));
    t.diagnostic(`${what}: p50 ${p50[1].toFixed(2)} ms beside ${p50[0].toFixed(2)} ms healthy, p95 ${p95[1].toFixed(2)} beside ${p95[0].toFixed(2)}, max ${Math.max(...ms[1]).toFixed(1)} beside ${Math.max(...ms[0]).toFixed(1)}`);
    const within = p50[1] - p50[0] < P50_MS_MAX && p95[1] - p95[0] < P95_MS_MAX;
    if (within) return round * REQUESTS;
    assert.ok(round < ROUNDS_MAX, `p50 ${p50.map((value) => value.toFixed(2))}, p95 ${p95.map((value) => value.toFixed(2))}: healthy, ailing`);
  }
}

/** @param {import('../lib/sage.mjs').Sage} sage */
async function intakeRefuses(sage) {
  const began = performance.now();
  const reply = await sage.send(turns(3));
  const ms = performance.now() - began;
  assert.equal(reply.status, 503, reply.text);
  assert.match(reply.headers.get('content-type') ?? '', /problem\+json/);
  assert.equal(reply.json.code, 'shard_unreachable');
  assert.ok(Number(reply.headers.get('retry-after')) > 0);
  assert.ok(ms < INTAKE_MS_MAX, `refused after ${ms.toFixed(0)} ms`);
  return ms;
}

/** @param {import('../lib/sage.mjs').Sage} sage @param {RegExp} reason */
async function unhealthy(sage, reason) {
  const health = await sage.request('/sage/healthz');
  assert.equal(health.status, 503, health.text);
  assert.match(JSON.stringify(health.json.reasons), reason);
}

/** People's numbers say why they are not there; none is a number. @param {any} panels */
function peopleAreHidden({ usage, cost }) {
  for (const metric of [usage.dau, usage.wau, usage.mau, usage.users, usage.sessions, usage.stickiness, cost.per_user.mean, cost.per_user.max, cost.per_session.median]) {
    assert.deepEqual([metric.value, metric.hidden], [null, 'shard_unreachable']);
  }
  for (const series of [usage.dau_by_day, usage.sessions_by_day, cost.top_users]) assert.equal(series, undefined);
}

/**
 * Every request that passed is counted or told as lost.
 * @param {import('../lib/sage.mjs').Sage} sage
 * @param {number} sent
 */
function requestsBalance(sage, sent) {
  return until(`${sent} requests`, async () => {
    const { requests, intake } = (await sage.sage('panel=operations')).panels.operations;
    const lost = intake.dropped_by_reason.reduce((/** @type {number} */ sum, /** @type {any} */ row) => sum + row.value, 0);
    assert.ok(requests.total.value + lost <= sent, `${requests.total.value} + ${lost} > ${sent}`);
    if (requests.total.value + lost !== sent) throw new Error(`${requests.total.value} counted, ${lost} lost of ${sent}`);
    return { counted: requests.total.value, lost };
  }, { ms: 20_000, everyMs: 500 });
}

test('a Shard that hangs', { timeout: 120_000 }, async (t) => {
  /** @type {import('../lib/sage.mjs').Faults} */
  const faults = { objects: () => 'ok' };
  const [healthy, ailing] = [await startSage({ origin: app.url, faults: { objects: () => 'ok' } }), await startSage({ origin: app.url, shards: 2, faults })];
  try {
    assert.equal((await ailing.send(turns(80))).json.stored, 80);
    assert.equal((await ailing.sage()).panels.usage.turns.value, 80);
    let sent = 0;
    const many = async (/** @type {import('../lib/sage.mjs').Sage} */ sage, /** @type {number} */ count) => { for (let n = 0; n < count; n++) await through(sage); };
    await Promise.all([many(healthy, 50), many(ailing, 50)]);
    sent += 50;
    await requestsBalance(ailing, sent);
    faults.objects = ({ className }) => (className === 'Shard' ? 'hang' : 'ok');
    // More than the buffer holds before it is sent, so that calls hang while the clock runs.
    await Promise.all([many(healthy, 250), many(ailing, 250)]);
    sent += 250;
    sent += await compare(t, 'hanging', healthy, ailing);

    const [refusedMs] = await Promise.all([intakeRefuses(ailing), unhealthy(ailing, /shard 0 did not answer in time/)]);
    const began = performance.now();
    const { panels, unreachable_shards: unreachable } = await ailing.sage();
    const answeredMs = performance.now() - began;
    peopleAreHidden(panels);
    assert.deepEqual(unreachable, [0, 1]);
    assert.deepEqual([panels.usage.turns.value, panels.usage.turns.exact, panels.cost.spend.exact], [80, false, false], 'counters may be old, and say so');
    assert.deepEqual(panels.operations.shards.map((/** @type {any} */ shard) => shard.reachable), [false, false]);
    assert.equal(panels.operations.lake.bronze_lag.hidden, 'shard_unreachable');
    const page = await ailing.request('/safety/transparency.json');
    assert.equal(page.json.quarters[0].users.value, null);
    assert.equal(page.json.quarters[0].users.hidden, 'shard_unreachable');
    t.diagnostic(`hanging: intake refused after ${refusedMs.toFixed(0)} ms, /sage answered after ${answeredMs.toFixed(0)} ms`);

    // One of two is enough to hide what both are needed for.
    faults.objects = ({ name, className }) => (className === 'Shard' && name.endsWith('1') ? 'hang' : 'ok');
    const { panels: half, unreachable_shards: one } = await ailing.sage();
    peopleAreHidden(half);
    assert.deepEqual(one, [1]);
    assert.deepEqual(half.operations.shards.map((/** @type {any} */ shard) => shard.reachable), [true, false]);
    await unhealthy(ailing, /shard 1 did not answer in time/);

    faults.objects = () => 'ok';
    await until('health', async () => (await ailing.request('/sage/healthz')).status === 200);
    assert.equal((await ailing.send(turns(20))).json.stored, 20);
    // The losses are told with the next batch of requests.
    await sleep(11_000);
    await through(ailing);
    sent++;
    const { counted, lost } = await requestsBalance(ailing, sent);
    t.diagnostic(`hanging: of ${sent} requests ${counted} counted, ${lost} told as lost`);
    assert.ok(counted >= 51 && lost > 0);
    const whole = (await ailing.sage()).panels;
    assert.equal(whole.usage.turns.value, 100);
    assert.ok(whole.usage.turns.exact && whole.cost.spend.exact);
    assert.equal(whole.cost.spend.value, 100 * TURN_NANO_USD);
    assert.equal(whole.usage.users.value, 40);
    const { received, stored, duplicate, dropped, dead_lettered: dead } = whole.operations.intake;
    assert.equal(received.value, stored.value + duplicate.value + dropped.value + dead.value);
    assert.equal(stored.value, 100 + counted);
  } finally {
    await Promise.all([healthy.stop(), ailing.stop()]);
  }
});

test('a Shard that panics', { timeout: 120_000 }, async (t) => {
  const [healthy, ailing] = [await startSage({ build: FAULT_BUILD, origin: app.url }), await startSage({ build: FAULT_BUILD, origin: app.url })];
  // The one who asks for it gets no answer: it is not waited for.
  const panic = () => ailing.request('/sage/__fault?panic', { method: 'POST', timeoutMs: 100 });
  try {
    assert.equal((await ailing.send(turns(80))).json.stored, 80);
    await Promise.all([through(healthy), through(ailing)]);
    // Panics go on beside the requests, ten a second at most.
    let on = true;
    let panics = 0;
    const panicking = (async () => {
      while (on) {
        await panic().catch(() => {});
        panics++;
        await sleep(100);
      }
    })();
    await compare(t, 'panicking', healthy, ailing).finally(() => { on = false; });
    await panicking;
    assert.ok(panics >= 3, `${panics} panics`);
    assert.match(ailing.log(), /unreachable|RuntimeError|panick/i, 'it really panicked');
    t.diagnostic(`${panics} panics`);

    // Its memory is gone; nothing else is.
    assert.equal((await until('the intake', async () => { const reply = await ailing.send(turns(20)); return reply.status === 200 && reply; })).json.stored, 20);
    await until('health', async () => (await ailing.request('/sage/healthz')).status === 200);
    const { usage, cost, operations } = (await ailing.sage()).panels;
    assert.equal(usage.turns.value, 100);
    assert.equal(cost.spend.value, 100 * TURN_NANO_USD);
    assert.equal(usage.users.value, 40);
    assert.equal(operations.intake.received.value, operations.intake.stored.value + operations.intake.dropped.value);
  } finally {
    await Promise.all([healthy.stop(), ailing.stop()]);
  }
});

test('a Shard that hangs by itself', { timeout: 60_000 }, async () => {
  const sage = await startSage({ build: FAULT_BUILD, origin: app.url });
  try {
    assert.equal((await sage.send(turns(10))).json.stored, 10);
    await sage.request('/sage/__fault?hang', { method: 'POST', timeoutMs: 10_000 });
    await through(sage);
    await intakeRefuses(sage);
    peopleAreHidden((await sage.sage()).panels);
    await unhealthy(sage, /shard 0 did not answer in time/);
    await through(sage);
    await sage.kill9();
    const { usage } = (await sage.sage()).panels;
    assert.deepEqual([usage.turns.value, usage.users.value, usage.users.hidden], [10, 10, null]);
  } finally {
    await sage.stop();
  }
});

test('objects that refuse, and a Gold that hangs', { timeout: 60_000 }, async () => {
  /** @type {import('../lib/sage.mjs').Faults} */
  const faults = { objects: () => 'ok' };
  const sage = await startSage({ origin: app.url, faults });
  try {
    assert.equal((await sage.send(turns(10))).json.stored, 10);
    faults.objects = ({ className }) => (className === 'Shard' ? 'throw' : 'ok');
    await through(sage);
    assert.ok((await intakeRefuses(sage)) < 2_000, 'a refusal is told at once');
    peopleAreHidden((await sage.sage()).panels);
    await unhealthy(sage, /shard 0/);

    faults.objects = ({ className }) => (className === 'Gold' ? 'hang' : 'ok');
    await through(sage);
    const batch = turns(5);
    assert.equal((await sage.send(batch)).json.stored, 5, 'the intake does not need Gold');
    const began = performance.now();
    const [numbers, page] = await Promise.all([sage.request('/sage', { headers: { authorization: 'Bearer test-admin-token-91de' } }), sage.request('/safety/transparency')]);
    assert.ok(performance.now() - began < 10_000);
    for (const reply of [numbers, page]) {
      assert.deepEqual([reply.status, reply.json.code], [503, 'gold_unreachable']);
      assert.ok(Number(reply.headers.get('retry-after')) > 0);
    }
    await unhealthy(sage, /gold did not answer in time/);
    faults.objects = () => 'ok';
    assert.equal((await sage.send(batch)).json.duplicate, 5);
    assert.equal((await sage.sage()).panels.usage.turns.value, 15);
  } finally {
    await sage.stop();
  }
});

test('an app that is out of reach', { timeout: 60_000 }, async () => {
  const port = await freePort();
  const sage = await startSage({ origin: `http://127.0.0.1:${port}` });
  /** @type {Awaited<ReturnType<typeof startOrigin>> | undefined} */
  let revived;
  try {
    const ids = new Set();
    for (const path of ['/', '/chat?x=1', '/api/chat']) {
      const reply = await sage.request(path, { method: path === '/api/chat' ? 'POST' : 'GET', ...(path === '/api/chat' ? { body: '{}' } : {}) });
      assert.equal(reply.status, 502);
      assert.match(reply.headers.get('content-type') ?? '', /^text\/html/);
      assert.equal(reply.headers.get('cache-control'), 'no-store');
      const id = reply.headers.get('x-request-id') ?? '';
      assert.match(id, /^[0-9a-f]{16}$/);
      assert.ok(reply.text.includes(id) && /emergency/.test(reply.text), 'the page names the request and where to turn');
      assert.ok(sage.log().includes(id), 'the log names the request');
      ids.add(id);
    }
    assert.equal(ids.size, 3);
    assert.equal((await sage.send(turns(5))).json.stored, 5, 'Sage itself goes on');
    const requests = await until('three requests', async () => {
      const now = (await sage.sage('panel=operations')).panels.operations.requests;
      return now.total.value === 3 && now;
    });
    assert.deepEqual([requests.origin_unreachable.value, requests.server_errors.value], [3, 3]);
    assert.equal((await sage.request('/sage/healthz')).status, 200);
    revived = await startOrigin((_, response) => response.end('back'), port);
    assert.equal((await sage.request('/')).text, 'back');
  } finally {
    await sage.stop();
    await revived?.close();
  }
});

describe('R2', { concurrency: true, timeout: 150_000 }, () => {
  test('that refuses: intake and numbers go on, the lake says so and catches up by itself', async () => {
    /** @type {import('../lib/sage.mjs').Faults} */
    const faults = { r2: () => 'throw' };
    const sage = await startSage({ origin: app.url, shards: 2, faults });
    try {
      assert.equal((await sage.send(turns(200))).json.stored, 200);
      await sage.nightly();
      const lake = async () => (await sage.sage('panel=operations')).panels.operations;
      const failing = await until('the lake’s error', async () => {
        const now = await lake();
        return now.lake.errors.length === 2 && now;
      });
      assert.ok(failing.lake.bronze_lag.value > 0, JSON.stringify(failing.lake));
      assert.ok(failing.shards.every((/** @type {any} */ shard) => shard.bronze_position === 0 && shard.log_position > 0));
      await through(sage);
      assert.equal((await sage.send(turns(50))).json.stored, 50);
      const { usage, cost } = (await sage.sage()).panels;
      assert.deepEqual([usage.turns.value, cost.spend.value], [250, 250 * TURN_NANO_USD]);
      assert.equal((await sage.request('/sage/healthz')).status, 200);
      assert.deepEqual(await sage.bucket('BRONZE').list(), []);
      await sleep(1_000);
      const lag = (await lake()).lake.bronze_lag.value;
      assert.ok(lag > failing.lake.bronze_lag.value, 'the lag grows');

      faults.r2 = () => 'ok';
      const whole = await until('the lake to catch up', async () => {
        const now = await lake();
        return now.lake.bronze_lag.value === 0 && now;
      }, { ms: 100_000, everyMs: 1_000 });
      assert.deepEqual([whole.lake.errors, whole.lake.bronze_lag.value], [[], 0]);
      assert.ok((await sage.bucket('BRONZE').list()).length >= 2);
    } finally {
      await sage.stop();
    }
  });

  test('that hangs: nothing waits for it', async () => {
    let hung = 0;
    const sage = await startSage({ origin: app.url, faults: { r2: () => { hung++; return 'hang'; } } });
    try {
      assert.equal((await sage.send(turns(50))).json.stored, 50);
      await sage.nightly();
      await until('a call that hangs', () => hung > 0);
      for (const work of [() => sage.send(turns(10)), () => sage.sage(), () => sage.request('/sage/healthz'), () => through(sage)]) {
        const began = performance.now();
        await work();
        assert.ok(performance.now() - began < 1_500);
      }
      assert.equal((await sage.sage()).panels.usage.turns.value, 60);
    } finally {
      await sage.stop();
    }
  });
});

test('the app was asked', () => assert.ok(asked > REQUESTS));
