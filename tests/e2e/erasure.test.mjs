// @ts-check
/**
 * Someone is erased: every panel is as if they had never been, no file holds a row of theirs, and what comes late is dropped. Two
 * histories, one with and one without the person, are held against each other.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ADMIN_TOKEN, FAULT_BUILD, INGEST_KEY, python, startSage, until } from '../lib/sage.mjs';
import { makeTurns } from '../lib/turns.mjs';

const DAY_MS = 86_400_000;
const LEAVER = 'someone/who leaves@example.com';
const SECRETS = { SAGE_UID_SALT: 'a secret that both histories have in common' };

/** @typedef {import('../lib/sage.mjs').Sage} Sage */

/** @type {string} */
let folder;
before(async () => { folder = await mkdtemp(join(tmpdir(), 'sage-erasure-')); });
after(() => rm(folder, { recursive: true, force: true }));

/** Batches in which one person does everything that can be done, among others. */
function history() {
  const others = makeTurns({ count: 600, seed: 71 });
  const at = (/** @type {number} */ n) => new Date(Date.now() - 3 * DAY_MS - n * 60_000).toISOString();
  const theirs = Array.from({ length: 60 }, (_, n) => ({
    type: 'turn', id: `leaver-${n}`, ts: at(n * 7), user_id: LEAVER, conversation_id: `their talk ${n % 3}`, session_id: n % 5 ? undefined : `their visit ${n}`, turn_index: n,
    provider: 'openai', model: n % 10 ? 'gpt-4o' : 'never-heard-of', feature: 'only-theirs', country: 'NP', plan: 'premium', usage: { input_tokens: 1000 + n, output_tokens: 90 },
  }));
  const kinds = [
    { type: 'feedback', rating: 'up', text: 'thanks' }, { type: 'observation', emotion: 'joy', intensity: 1, confidence: 0.5, model_version: 'v1' }, { type: 'error', component: 'ui', code: 'E9' },
    { type: 'vital', name: 'lcp', value: 900, url: '/chat' }, { type: 'journey', name: 'chat_opened' }, { type: 'platform', platform: 'calendar', event: 'connected' },
    { type: 'service_cost', service: 'speech_to_text', nano_usd: 123_456 }, { type: 'consent', purpose: 'analytics', state: 'granted' }, { type: 'moment', text: 'a line' },
  ].map((event, n) => ({ ...event, id: `leaver-kind-${n}`, ts: at(n), user_id: LEAVER }));
  const referral = { type: 'crisis', id: 'leaver-referral', ts: at(3), user_id: LEAVER, event: 'referral', severity: 3 };
  const batches = [];
  for (let n = 0; n < 12; n++) {
    batches.push([...others.slice(n * 50, n * 50 + 50), ...theirs.slice(n * 5, n * 5 + 5), ...(n === 4 ? kinds : []), ...(n === 7 ? [referral] : [])]);
  }
  batches.push(theirs.slice(0, 0));
  return { batches, theirs: [...theirs, ...kinds], referral };
}

/** What the panels say, but for clocks, positions and sizes. @param {Sage} sage @param {string} query */
async function panels(sage, query) {
  const { panels: found } = await sage.sage(query);
  const { shards: _, lake: __, intake, intake_last_hour: minutes, ...operations } = found.operations;
  // The minutes of intake are those of two clocks: what was sent to both may lie in one minute there and in two here.
  const counts = ['received', 'stored', 'duplicate', 'dead_lettered'].map((name) => [
    name, intake[name].value, minutes.reduce((/** @type {number} */ sum, /** @type {any} */ minute) => sum + minute.balance[name].value, 0),
  ]);
  return { ...found, operations: { ...operations, intake: counts } };
}

/** @param {Sage} sage @param {string} path @param {string} [method] @param {string} [key] */
const ask = (sage, path, method = 'GET', key = ADMIN_TOKEN) => sage.request(path, { method, headers: { authorization: `Bearer ${key}` } });
const path = `/sage/v1/users/${encodeURIComponent(LEAVER)}`;

/** Every row of the lake without the time of its receipt, sorted. @param {Sage} sage @param {string} name */
async function rows(sage, name) {
  const at = join(folder, name);
  const bronze = sage.bucket('BRONZE');
  const keys = (await bronze.list()).map(({ key }) => key);
  for (const key of keys) {
    await mkdir(dirname(join(at, key)), { recursive: true });
    await writeFile(join(at, key), await bronze.get(key));
  }
  return python('oracle/lake_rows.py', [at]);
}

for (const shards of [1, 3]) {
  describe(`erasure, ${shards} Shard(s)`, { timeout: 280_000 }, () => {
    /** @type {Sage} */ let sage;
    /** @type {Sage} */ let other;
    /** @type {string} */ let persist;
    const { batches, theirs, referral } = history();
    before(async () => {
      persist = await mkdtemp(join(folder, 'state-'));
      [sage, other] = await Promise.all([startSage({ persist, shards, secrets: SECRETS, build: FAULT_BUILD }), startSage({ shards, secrets: SECRETS, build: FAULT_BUILD })]);
    });
    after(() => Promise.all([sage?.stop(), other?.stop()]));

    test('everything that is held is told, then nothing', async (t) => {
      for (const batch of batches) {
        assert.equal((await sage.send(batch)).status, 200);
        const rest = batch.filter((/** @type {any} */ event) => event.user_id !== LEAVER);
        assert.equal((await other.send(rest)).status, 200);
      }
      // A referral that the law wants counted stays, and is no one's.
      assert.equal((await other.send({ ...referral, user_id: undefined, session_id: undefined })).status, 200);
      const first = await ask(sage, path, 'GET', INGEST_KEY);
      assert.equal(first.status, 200, first.text);
      assert.equal(first.json.events.length, theirs.length + 1);
      assert.equal(first.json.spend.reduce((/** @type {number} */ sum, /** @type {any} */ { turns }) => sum + turns, 0), 60);
      assert.ok(first.json.sessions.length > 3 && first.json.erasure === null && !first.text.includes('someone'));
      for (const [method, key] of [['GET', 'wrong'], ['DELETE', 'wrong'], ['DELETE', '']]) assert.equal((await ask(sage, path, method, key)).status, 401);
      assert.equal((await ask(sage, '/sage/v1/users/%FF', 'DELETE')).status, 400);
      assert.equal((await ask(sage, path, 'POST')).status, 405);

      const gone = await ask(sage, path, 'DELETE', INGEST_KEY);
      assert.ok([200, 202].includes(gone.status), gone.text);
      assert.equal(gone.json.events, theirs.length);
      assert.equal(Date.parse(gone.json.due_at) - Date.parse(gone.json.requested_at), 28 * DAY_MS);
      const again = await ask(sage, path, 'DELETE');
      assert.deepEqual([again.json.receipt, again.headers.get('location')], [gone.json.receipt, `/sage/v1/erasures/${gone.json.receipt}`]);
      const nothing = await ask(sage, path);
      assert.deepEqual([nothing.json.events, nothing.json.spend, nothing.json.sessions], [[], [], []]);
      assert.equal(nothing.json.erasure.receipt, gone.json.receipt);
      assert.equal((await ask(sage, '/sage/v1/erasures/0-0123456789abcdef')).status, 404);
      t.diagnostic(`${gone.json.events} events, receipt ${gone.json.receipt}`);
    });

    test('every panel is as if they had never been', async () => {
      const from = new Date(Date.now() - 20 * DAY_MS).toISOString().slice(0, 10);
      const to = new Date().toISOString().slice(0, 10);
      for (const query of ['', `from=${from}&to=${to}`, `from=${from}&to=${to}&tz=Asia/Kathmandu`]) {
        assert.deepEqual(await panels(sage, query), await panels(other, query), query);
      }
      await sage.kill9();
      assert.deepEqual(await panels(sage, `from=${from}&to=${to}`), await panels(other, `from=${from}&to=${to}`), 'after a crash');
    });

    test('what comes late is dropped with that reason', async () => {
      const late = await sage.send([theirs[0], { ...theirs[0], id: 'leaver-late' }, { ...theirs[60], id: 'leaver-late-2' }]);
      assert.deepEqual([late.json.stored, late.json.dropped], [0, { erased: 3 }], late.text);
      assert.equal((await ask(sage, path)).json.events.length, 0);
    });

    test('no file holds a row of theirs, and the receipt says when', async (t) => {
      const clock = { SAGE_TEST_CLOCK_OFFSET_MS: String(2 * DAY_MS + 3_600_000) };
      await Promise.all([sage.restart({ secrets: clock }), other.restart({ secrets: clock })]);
      const manifests = async (/** @type {Sage} */ of) => (await of.bucket('BRONZE').list('manifest/')).length;
      const parts = async (/** @type {Sage} */ of) => (await of.bucket('BRONZE').list('events/')).filter(({ key }) => key.endsWith('.ndjson.gz')).length;
      await until('both lakes', async () => {
        await Promise.all([sage.nightly(), other.nightly()]);
        await sleep(1_000);
        return (await manifests(sage)) >= shards && (await manifests(other)) >= shards && (await parts(sage)) === 0 && (await parts(other)) === 0;
      }, { ms: 120_000, everyMs: 1_000 });
      const [mine, theirs_] = await Promise.all([rows(sage, `sage-${shards}`), rows(other, `other-${shards}`)]);
      assert.ok(mine.rows.length >= 600);
      // The late crisis of no one has a key of its own there and here.
      assert.deepEqual(mine.rows, theirs_.rows);
      assert.deepEqual(mine.files, theirs_.files);
      const { erasure } = (await ask(sage, path)).json;
      assert.equal(erasure.status, 'done');
      assert.ok(Date.parse(erasure.done_at) <= Date.parse(erasure.due_at));

      // Someone leaves whose rows are in Parquet already.
      const user = 'a second one';
      const events = Array.from({ length: 7 }, (_, n) => ({ type: 'turn', id: `second-${n}`, ts: new Date().toISOString(), user_id: user, provider: 'openai', model: 'gpt-4o', usage: { input_tokens: 9, output_tokens: 9 } }));
      assert.equal((await sage.send([...events, { ...events[0], id: 'third', user_id: 'a third one' }])).json.stored, 8);
      // Later than the days in which an event counts once: the log's older rows are packed.
      const later = { SAGE_TEST_CLOCK_OFFSET_MS: String(12 * DAY_MS + 7_200_000) };
      await sage.restart({ secrets: later });
      const before = (await rows(sage, `before-${shards}`)).rows.length;
      await until('Parquet of the second one', async () => {
        await sage.nightly();
        await sleep(1_000);
        return (await parts(sage)) === 0 && (await rows(sage, `parquet-${shards}`)).rows.length === before + 8;
      }, { ms: 120_000, everyMs: 1_000 });
      const { receipt } = (await ask(sage, `/sage/v1/users/${encodeURIComponent(user)}`, 'DELETE')).json;
      await until('the files', async () => (await ask(sage, `/sage/v1/erasures/${receipt}`)).json.status === 'done', { ms: 90_000, everyMs: 500 });
      await rm(join(folder, `parquet-${shards}`), { recursive: true });
      assert.equal((await rows(sage, `parquet-${shards}`)).rows.length, before + 1);

      // And someone whose rows are packed.
      const { user_id: third } = /** @type {any} */ (batches[0].find((/** @type {any} */ event) => event.user_id?.startsWith('user-')));
      const theirPath = `/sage/v1/users/${encodeURIComponent(third)}`;
      const { events: held } = (await ask(sage, theirPath)).json;
      const erased = (await ask(sage, theirPath, 'DELETE')).json;
      assert.deepEqual([held.length > 0, erased.events], [true, held.length]);
      await until('their files', async () => (await ask(sage, `/sage/v1/erasures/${erased.receipt}`)).json.status === 'done', { ms: 90_000, everyMs: 500 });
      await rm(join(folder, `parquet-${shards}`), { recursive: true });
      assert.equal((await rows(sage, `parquet-${shards}`)).rows.length, before + 1 - held.length);

      const keys = await Promise.all([LEAVER, user, third].map(async (raw) => (await ask(sage, `/sage/v1/users/${encodeURIComponent(raw)}`)).json.user));
      await sage.stop();
      const { cells: found, packed } = await python('oracle/where_keys_are.py', [persist, ...keys]);
      assert.ok(packed > 0, 'rows of the log are packed');
      // The tombstone alone: in the row that notes it and in the checkpoint.
      assert.deepEqual(Object.keys(found).filter((where) => !/^(log\.remark|checkpoint\.bytes)$/.test(where)), [], JSON.stringify(found));
      t.diagnostic(`${mine.rows.length} rows in ${mine.files.length} files equal; keys in ${JSON.stringify(found)}; ${packed} rows packed`);
    });
  });
}
