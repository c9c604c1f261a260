// @ts-check
/**
 * The lake holds what the log holds: NDJSON within two minutes, Parquet after the nightly job, read by DuckDB and pyarrow and
 * held against /sage. Whatever dies before or after any step, run again it leaves the very same bytes.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { FAULT_BUILD, python, startSage, until } from '../lib/sage.mjs';
import { makeTurns } from '../lib/turns.mjs';

const HOUR_MS = 3_600_000;
/** Bronze must be there after this. */
const BRONZE_MS_MAX = 120_000;

/** @typedef {import('../lib/sage.mjs').Sage} Sage */

/** @type {string} */
let folder;
before(async () => { folder = await mkdtemp(join(tmpdir(), 'sage-lake-')); });
after(() => rm(folder, { recursive: true, force: true }));

/** Everything in Bronze, by key. @param {Sage} sage */
async function objects(sage) {
  const bronze = sage.bucket('BRONZE');
  return Object.fromEntries(await Promise.all((await bronze.list()).map(async ({ key }) => [key, await bronze.get(key)])));
}

/** @param {Record<string, Buffer>} found */
const digests = (found) => Object.fromEntries(Object.entries(found).map(([key, body]) => [key, createHash('sha256').update(body).digest('hex')]));

const isPart = (/** @type {string} */ key) => key.endsWith('.ndjson.gz');
const isParquet = (/** @type {string} */ key) => key.endsWith('.parquet');

/** What the readers find. @param {Record<string, Buffer>} found @param {string} name */
async function read(found, name) {
  const at = join(folder, name);
  for (const [key, body] of Object.entries(found)) {
    await mkdir(dirname(join(at, key)), { recursive: true });
    await writeFile(join(at, key), body);
  }
  return python('oracle/lake_oracle.py', [at]);
}

/** What Sage says of everything that it was sent. @param {Sage} sage */
async function told(sage) {
  const { operations, cost, usage } = (await sage.sage()).panels;
  return {
    rows: operations.intake.stored.value, cost_nano_usd: cost.spend.value, turns: usage.turns.value,
    input_tokens: cost.tokens.input.value, output_tokens: cost.tokens.output.value, cache_read_tokens: cost.tokens.cache_read.value,
    cache_write_tokens: cost.tokens.cache_write.value, reasoning_tokens: cost.tokens.reasoning.value,
  };
}

/** @param {Sage} sage @param {unknown[]} events */
async function store(sage, events) {
  for (let at = 0; at < events.length; at += 250) {
    const reply = await sage.send(events.slice(at, at + 250));
    assert.equal(reply.status, 200, reply.text);
  }
}

/** Kinds beside turns, and what is no event. @param {string} name */
function others(name) {
  const ts = new Date(Date.now() - 60_000).toISOString();
  return [
    { type: 'feedback', id: `${name}-1`, ts, user_id: 'u1', rating: 'up', text: 'thanks' }, { type: 'service_cost', id: `${name}-2`, ts, service: 'speech_to_text', nano_usd: 123_456_789 },
    { type: 'crisis', id: `${name}-3`, ts, event: 'referral', severity: 2 }, { type: 'vital', id: `${name}-4`, ts, name: 'cls', value: 0.25, url: '/chat/42' },
    { type: 'turn', id: `${name}-wrong`, ts, colour: 'red' }, { type: 'feedback', id: `${name}-1`, ts, user_id: 'u1', rating: 'up', text: 'thanks' },
  ];
}

/** What fails is taken up by the object itself after 45 s; then there are its steps. */
const TAKEN_UP_MS_MAX = 45_000 + 45_000;

/** Asks for the nightly job until `done`. @template T @param {Sage} sage @param {string} what @param {() => Promise<T>} done @param {number} [ms] */
async function nightlyUntil(sage, what, done, ms = TAKEN_UP_MS_MAX) {
  let asked = 0;
  return until(what, async () => {
    // Once more when it takes long: that it may be asked at any time is part of the promise.
    if (Date.now() - asked > 5_000) {
      asked = Date.now();
      await Promise.race([sage.nightly().catch(() => {}), sleep(3_000)]);
    }
    return done();
  }, { ms, everyMs: 150 });
}

describe('the lake', { concurrency: true, timeout: 280_000 }, () => {
  test('NDJSON within two minutes, then Parquet; two readers and /sage agree', async (t) => {
    const sage = await startSage({ shards: 2 });
    try {
      const turns = makeTurns({ count: 4_000, seed: 31 });
      const began = Date.now();
      await store(sage, [...turns.slice(0, 3_000), ...others('first')]);
      const first = await until('NDJSON', async () => {
        if ((await sage.sage('panel=operations')).panels.operations.lake.bronze_lag.value !== 0) return false;
        const found = await objects(sage);
        return Object.keys(found).some(isPart) && found;
      }, { ms: BRONZE_MS_MAX, everyMs: 1_000 });
      const seconds = (Date.now() - began) / 1_000;
      assert.ok(Object.keys(first).every((key) => isPart(key) && /^events\/dt=\d{4}-\d\d-\d\d\/hour=\d\d\/s00[01]-/.test(key)), Object.keys(first).join(' '));
      const [lines, expected] = [(await read(first, 'ndjson')).duckdb.ndjson, await told(sage)];
      assert.equal(expected.rows, 3_004);
      const serviceCost = 123_456_789;
      assert.deepEqual(lines, {
        rows: expected.rows, ids: expected.rows, cost_nano_usd: expected.cost_nano_usd - serviceCost, input_tokens: expected.input_tokens, output_tokens: expected.output_tokens,
      });

      // Some more that no part holds yet.
      await store(sage, [...turns.slice(3_000), ...others('second')]);
      const agree = async (/** @type {string} */ name) => {
        const found = await nightlyUntil(sage, 'Parquet alone', async () => {
          const { lake } = (await sage.sage('panel=operations')).panels.operations;
          const now = await objects(sage);
          return lake.bronze_lag.value === 0 && !Object.keys(now).some(isPart) && Object.keys(now).some(isParquet) && lake.errors.length === 0 && now;
        });
        const [{ duckdb, pyarrow }, numbers] = [await read(found, name), await told(sage)];
        const { turns: turnCount, ...sums } = numbers;
        const { misplaced, kinds, ...parquet } = duckdb.parquet;
        assert.deepEqual(parquet, { ids: sums.rows, ...sums }, `DuckDB ${name}`);
        assert.deepEqual(pyarrow.parquet, { ids: sums.rows, ...sums }, `pyarrow ${name}`);
        assert.equal(misplaced, 0, 'partitions are receive time');
        assert.equal(kinds.turn, turnCount);
        assert.equal(duckdb.ndjson, undefined);
        return { found, sums, kinds };
      };
      const { found, sums, kinds } = await agree('parquet');
      assert.deepEqual(kinds, { turn: 4_000, feedback: 2, service_cost: 2, crisis: 2, vital: 2 });

      // Asked again with nothing new it changes nothing; with something new it adds to it.
      const same = digests(found);
      await sage.nightly();
      await sleep(1_500);
      assert.deepEqual(digests(await objects(sage)), same);
      await store(sage, makeTurns({ count: 100, seed: 32 }));
      const more = await agree('more');
      assert.equal(more.sums.rows, sums.rows + 100);
      const now = digests(more.found);
      assert.deepEqual(Object.fromEntries(Object.keys(same).map((key) => [key, now[key]])), same, 'what stands is never changed');
      t.diagnostic(`NDJSON after ${seconds.toFixed(0)} s: ${lines.rows} rows in ${Object.keys(first).length} parts`);
      t.diagnostic(`Parquet: ${more.sums.rows} rows in ${Object.keys(now).length} files, $${(more.sums.cost_nano_usd / 1e9).toFixed(9)}, ${more.sums.input_tokens} + ${more.sums.output_tokens} tokens in DuckDB, pyarrow and /sage`);
    } finally {
      await sage.stop();
    }
  });

  test('whatever fails before or after any step of the nightly job, the same bytes stand in the end', async (t) => {
    const base = join(folder, 'base');
    // A state of its own: rows in a part, rows in none, a dead letter, a duplicate.
    const prepared = await startSage({ persist: base });
    let expected;
    try {
      await store(prepared, [...makeTurns({ count: 600, seed: 41 }), ...others('base')]);
      await until('a part', async () => (await prepared.bucket('BRONZE').list()).some(({ key }) => isPart(key)), { ms: BRONZE_MS_MAX, everyMs: 1_000 });
      await store(prepared, makeTurns({ count: 200, seed: 42 }));
      expected = await told(prepared);
      assert.equal(expected.rows, 804);
    } finally {
      await prepared.stop();
    }

    let copies = 0;
    /**
     * The nightly job on a copy, two days later, so that hour and day are over.
     * @param {import('../lib/sage.mjs').Faults['r2']} r2
     * @param {(sage: Sage) => Promise<boolean>} done
     */
    const run = async (r2, done) => {
      const persist = join(folder, `copy-${copies++}`);
      await cp(base, persist, { recursive: true });
      const sage = await startSage({ persist, build: FAULT_BUILD, secrets: { SAGE_TEST_CLOCK_OFFSET_MS: String(49 * HOUR_MS) }, faults: { r2 } });
      try {
        await nightlyUntil(sage, 'the nightly job', () => done(sage));
        return { found: await objects(sage), starts: sage.starts };
      } finally {
        await sage.stop();
        await rm(persist, { recursive: true, force: true });
      }
    };
    const manifest = (/** @type {{ key: string }[]} */ list) => list.some(({ key }) => key.startsWith('manifest/'));

    /** @type {{ op: string, key: string, phase: string }[]} */
    const steps = [];
    const reference = await run((call) => { steps.push(call); return 'ok'; }, async (sage) => {
      const list = await sage.bucket('BRONZE').list();
      return manifest(list) && !list.some(({ key }) => isPart(key));
    });
    const { duckdb, pyarrow } = await read(reference.found, 'reference');
    for (const reader of [duckdb, pyarrow]) {
      assert.deepEqual([reader.parquet.rows, reader.parquet.ids, reader.parquet.cost_nano_usd, reader.parquet.input_tokens], [expected.rows, expected.rows, expected.cost_nano_usd, expected.input_tokens]);
    }
    const [manifestKey] = Object.keys(reference.found).filter((key) => key.startsWith('manifest/'));
    const listed = JSON.parse(reference.found[manifestKey].toString());
    assert.deepEqual([listed.totals.rows, listed.intake.stored, listed.intake.duplicate, listed.intake.dead_lettered, listed.intake.received], [804, 804, 1, 1, 806]);
    for (const file of listed.files) assert.equal(file.sha256, createHash('sha256').update(reference.found[file.key]).digest('hex'), file.key);
    assert.deepEqual(listed.files.map((/** @type {any} */ file) => file.key).sort(), Object.keys(reference.found).filter(isParquet).sort());

    const kinds = new Set(steps.map(({ op, key }) => `${op} ${isParquet(key) ? 'Parquet' : key.startsWith('manifest/') ? 'manifest' : isPart(key) || key.includes('.ndjson.gz') ? 'parts' : 'events'}`));
    for (const kind of ['put Parquet', 'put manifest', 'delete parts']) assert.ok(kinds.has(kind), `${kind} in ${[...kinds]}`);
    // Every step of the reference, before and after, fails once in both ways.
    const cases = steps.flatMap((_, at) => /** @type {const} */ (['kill', 'throw']).map((fate) => ({ at, fate })));
    const wanted = digests(reference.found);
    const one = async (/** @type {typeof cases[number]} */ { at, fate }) => {
      let calls = 0;
      const what = `${fate} ${steps[at].phase} ${steps[at].op} ${steps[at].key}`;
      const { found, starts } = await run(() => (calls++ === at ? fate : 'ok'), async (sage) => {
        if (calls <= at) return false;
        const keys = (await sage.bucket('BRONZE').list()).map(({ key }) => key);
        return keys.join() === Object.keys(wanted).join();
      }).catch((error) => { throw new Error(`${what}: ${error.message}`); });
      assert.deepEqual(digests(found), wanted, what);
      assert.equal(starts, fate === 'kill' ? 2 : 1, what);
    };
    const queue = [...cases];
    await Promise.all([1, 2, 3].map(async () => { for (let next = queue.shift(); next; next = queue.shift()) await one(next); }));
    t.diagnostic(`${cases.length} faults at ${steps.length} points (${[...kinds].join(', ')}): the same ${Object.keys(wanted).length} objects each time`);
  });

  test('a part that dies before or after it is put stands once, with the same bytes', async (t) => {
    const base = join(folder, 'part-base');
    const prepared = await startSage({ persist: base });
    await store(prepared, [...makeTurns({ count: 300, seed: 51 }), ...others('part')]);
    await prepared.stop();
    const fates = /** @type {const} */ ([['before', 'kill'], ['after', 'kill'], ['before', 'throw'], ['after', 'throw'], ['never', 'throw']]);
    const results = await Promise.all(fates.map(async ([phase, fate], n) => {
      const persist = join(folder, `part-${n}`);
      await cp(base, persist, { recursive: true });
      let failed = false;
      const sage = await startSage({
        persist,
        faults: { r2: (call) => { if (failed || call.op !== 'put' || call.phase !== phase) return 'ok'; failed = true; return fate; } },
      });
      try {
        const found = await until(`the part after ${fate} ${phase}`, async () => {
          const { lake } = (await sage.sage('panel=operations')).panels.operations;
          return (failed || phase === 'never') && lake.bronze_lag.value === 0 && lake.errors.length === 0 && objects(sage);
        }, { ms: 150_000, everyMs: 1_000 });
        return { what: `${fate} ${phase}`, digests: digests(found), rows: (await read(found, `part-${n}-read`)).duckdb.ndjson };
      } finally {
        await sage.stop();
      }
    }));
    for (const { what, rows, digests: own } of results) {
      assert.deepEqual([rows.rows, rows.ids, Object.keys(own).length], [304, 304, 1], what);
      assert.deepEqual(own, results[0].digests, what);
    }
    t.diagnostic(`${results.length} runs: ${Object.keys(results[0].digests)[0]}`);
  });
});

