// @ts-check
/** Many streams, long ones, and people who leave: every byte as it came, every call one turn, memory flat. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { CALL_NANO_USD, ask, chunks, whole } from '../bench/chat.mjs';
import { SECRETS, startSageBare } from '../lib/bench-workerd.mjs';
import { until } from '../lib/sage.mjs';

const CHUNKS = 20;
const PAUSE_MS = 10;
const MIB = 1 << 20;

/** @type {Awaited<ReturnType<typeof startModel>>} */ let model;
/** @type {import('../lib/bench-workerd.mjs').Running} */ let sage;

/**
 * A model provider. The query says how it answers: `name`; `late`: ms before it begins; `gate`: after half of a stream it waits to
 * be opened; `stall`: it says nothing more from there on; `byBytes`; `filler`: bytes of a reply without usage, in a stream of one event.
 */
async function startModel() {
  /** Streams that wait, and still have a reader. @type {Set<() => void>} */
  const gate = new Set();
  const own = {
    url: '',
    get waiting() { return gate.size; },
    /** Replies that were read to their end, and that were not. */
    ended: 0, left: 0,
    /** Of the bodies that came, SHA-256. @type {string[]} */
    sums: [],
    open: () => { const all = [...gate]; gate.clear(); all.forEach((go) => go()); },
    close: async () => { server.closeAllConnections(); await new Promise((resolve) => server.close(resolve)); },
  };
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    /** @type {Buffer[]} */ const read = [];
    for await (const part of request) read.push(part);
    const body = Buffer.concat(read);
    const query = new URL(request.url ?? '/', 'http://x').searchParams;
    const [name, filler] = [query.get('name') ?? '', Number(query.get('filler') ?? 0)];
    own.sums.push(createHash('sha256').update(body).digest('hex'));
    let left = false;
    response.on('close', () => { left = !response.writableFinished; own[left ? 'left' : 'ended'] += 1; });
    const write = (/** @type {Buffer | string} */ bytes) => new Promise((resolve) => response.write(bytes, resolve));
    await sleep(Number(query.get('late') ?? 0));
    const streams = body.subarray(0, 200).includes('"stream":true');
    response.writeHead(200, { 'content-type': streams ? 'text/event-stream; charset=utf-8' : 'application/json' });
    if (filler) {
      const [start, end] = streams ? ['data: {"choices":[{"delta":{"content":"', '"}}]}\n\ndata: [DONE]\n\n'] : ['{"choices":[{"message":{"content":"', '"}}]}'];
      await write(start);
      const part = Buffer.from(randomBytes(MIB >> 1).toString('hex'));
      for (let sent = 0; sent < filler && !left; sent += part.length) await write(part);
      return void response.end(end);
    }
    if (!streams) return void response.end(whole(name));
    const parts = chunks({ name, count: CHUNKS, usage: body.includes('"include_usage":true') });
    if (query.has('byBytes')) {
      request.socket.setNoDelay(true);
      // Without the blank line that ends the last event.
      for (const byte of Buffer.concat(parts).subarray(0, -1)) {
        if (left) return;
        await write(Buffer.of(byte));
      }
      return void response.end();
    }
    for (const [at, part] of parts.entries()) {
      if (left) return;
      await write(part);
      if (at === CHUNKS >> 1 && query.has('stall')) return;
      if (at === CHUNKS >> 1 && query.has('gate') && !left) {
        await new Promise((resolve) => {
          const go = () => resolve(gate.delete(go));
          gate.add(go);
          response.on('close', go);
        });
      }
      await sleep(PAUSE_MS);
    }
    response.end();
  });
  await new Promise((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => resolve(undefined)));
  const address = server.address();
  own.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return own;
}

before(async () => {
  model = await startModel();
  const at = { base_url: model.url, prices: 'openai', ask_for_usage: true };
  sage = await startSageBare({ settings: { gateway: { providers: { local: at, drained: { ...at, drain: true } } } }, inspected: true });
});
after(async () => {
  await sage?.stop();
  await model?.close();
});

/** @param {string} query @param {{ slug?: string, body?: string | Buffer, signal?: AbortSignal, user?: string }} [how] */
const call = (query, { slug = 'local', body = ask(), signal, user = 'person-0' } = {}) => fetch(`${sage.url}/sage/llm/${slug}/v1/chat/completions?${query}`, {
  method: 'POST', body: /** @type {BodyInit} */ (body), signal, headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'sage-user': user },
});

/** What is counted in all. */
async function counted() {
  const reply = await fetch(`${sage.url}/sage?panel=cost`, { headers: { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, accept: 'application/json' } });
  /** @type {any} */ const { panels } = await reply.json();
  const sum = (/** @type {string} */ of) => panels.cost.spend_by_model.reduce((/** @type {number} */ all, /** @type {any} */ row) => all + row[of], 0);
  return { turns: sum('count'), unknown: sum('usage_missing_turns'), nano_usd: panels.cost.spend.value ?? 0 };
}

/**
 * `run` adds these to what is counted, and nothing more after that.
 * @param {{ turns: number, unknown?: number }} more @param {() => Promise<unknown>} run
 */
async function adds({ turns, unknown = 0 }, run) {
  const before = await counted();
  await run();
  const expected = { turns: before.turns + turns, unknown: before.unknown + unknown, nano_usd: before.nano_usd + (turns - unknown) * CALL_NANO_USD };
  await until(`${turns} turns`, async () => (await counted()).turns >= expected.turns, { ms: 15_000 });
  await sleep(200);
  assert.deepEqual(await counted(), expected);
}

/** Calls and leaves when the start of the reply is there. @param {string} query @param {Parameters<typeof call>[1]} [how] */
async function hangUp(query, how) {
  const leave = new AbortController();
  const response = await call(query, { ...how, signal: leave.signal });
  const reader = response.body?.getReader();
  for (let bytes = 0; bytes < 1000;) bytes += (await reader?.read())?.value?.length ?? 1000;
  leave.abort();
  await reader?.read().catch(() => {});
}

test('300 streams at once, three waves: each whole and its own, memory flat', async () => {
  const streams = 300;
  /** @type {number[]} */ const isolate = [];
  /** @type {number[]} */ const process = [];
  for (const wave of [1, 2, 3]) {
    await adds({ turns: streams }, async () => {
      const replies = Promise.all(Array.from({ length: streams }, async (_, n) => {
        const [name, usage] = [`${wave}-${n}`, n % 2 === 0];
        const reply = await call(`gate&name=${name}`, { body: ask({ usage }), user: `person-${n % 50}` });
        const text = await reply.text();
        assert.equal(text, Buffer.concat(chunks({ name, count: CHUNKS, usage })).toString());
      }));
      await until('all streams in their middle', () => model.waiting === streams, { everyMs: 20 });
      model.open();
      await replies;
    });
    isolate.push((await sage.isolate()).bytes);
    process.push(sage.rssBytes());
  }
  const mib = (/** @type {number[]} */ list) => list.map((bytes) => (bytes / MIB).toFixed(1)).join(', ');
  const grown = (/** @type {number[]} */ list) => (list[2] ?? NaN) - (list[0] ?? NaN);
  assert.ok(grown(isolate) <= MIB, `isolate after each wave: ${mib(isolate)} MiB`);
  assert.ok(grown(process) <= 48 * MIB, `process after each wave: ${mib(process)} MiB`);
});

for (const { slug, drains } of [{ slug: 'local', drains: false }, { slug: 'drained', drains: true }]) {
  test(`100 callers leave midway, the provider is ${drains ? 'read to the end' : 'left, too'}: each a turn, once`, async () => {
    /** @type {number[]} */ const memory = [];
    for (const round of [1, 2]) {
      const { ended, left } = model;
      await adds({ turns: 100, unknown: drains ? 0 : 100 }, async () => {
        await Promise.all(Array.from({ length: 100 }, (_, n) => hangUp(`gate&name=${round}-${n}`, { slug })));
        if (drains) await until('all streams in their middle', () => model.waiting === 100, { everyMs: 20 });
        model.open();
        await until('the provider to know', () => (drains ? model.ended - ended : model.left - left) === 100);
      });
      assert.deepEqual([model.ended - ended, model.left - left], drains ? [100, 0] : [0, 100]);
      memory.push((await sage.isolate()).bytes);
    }
    assert.ok((memory[1] ?? NaN) - (memory[0] ?? NaN) <= MIB, `isolate after each round: ${memory.join(', ')} bytes`);
  });
}

test('a provider that stalls midway holds up no one else, and is left when its caller leaves', async () => {
  const { left } = model;
  await adds({ turns: 2, unknown: 1 }, async () => {
    await hangUp('stall');
    const other = await call('name=other');
    assert.equal(await other.text(), Buffer.concat(chunks({ name: 'other', count: CHUNKS, usage: false })).toString());
    await until('the provider to know', () => model.left === left + 1);
  });
});

test('a reply that comes byte by byte, and ends within an event', async () => {
  await adds({ turns: 2 }, async () => {
    for (const usage of [false, true]) {
      const reply = await call('byBytes&name=slow', { body: ask({ usage }) });
      assert.equal(await reply.text(), Buffer.concat(chunks({ name: 'slow', count: CHUNKS, usage })).toString().slice(0, -1));
    }
  });
});

test('callers who leave before the reply begins', async () => {
  for (const slug of ['local', 'drained']) {
    await adds({ turns: 10, unknown: slug === 'local' ? 10 : 0 }, () => Promise.all(Array.from({ length: 10 }, async (_, n) => {
      const reply = call(`late=400&name=${n}`, { slug, signal: AbortSignal.timeout(150) });
      await assert.rejects(reply, { name: 'TimeoutError' });
    })));
  }
});

const LONG = [['a reply', ask({ stream: false })], ['an event, usage asked for,', ask({ usage: true })], ['an event, usage hidden,', ask()]];
for (const [what, body] of LONG) {
  test(`${what} of 50 MiB passes, and is not kept`, async () => {
    const filler = 50 * MIB;
    /** @type {number[]} */ const wasm = [];
    for (const round of [1, 2, 3]) {
      await adds({ turns: 1, unknown: 1 }, async () => {
        const reply = await call(`filler=${filler}&name=${round}`, { body });
        let bytes = 0;
        for await (const part of /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (reply.body))) bytes += part.length;
        assert.ok(bytes > filler && bytes < filler + 200, `${bytes} bytes`);
      });
      wasm.push((await sage.isolate()).wasm);
    }
    // 8 MiB of a reply are read, in a buffer that doubles as it grows.
    assert.ok(Math.max(...wasm) <= 32 * MIB && (wasm[2] ?? NaN) - (wasm[0] ?? NaN) <= MIB, `WASM memory after each: ${wasm.join(', ')} bytes`);
  });
}

test('requests of 20 MB pass', async () => {
  const body = Buffer.from(ask({ stream: false }).replace('How are', `${'How '.repeat(5 * MIB)} are`));
  await adds({ turns: 3 }, async () => {
    for (const name of ['1', '2', '3']) {
      const reply = await call(`name=${name}`, { body });
      assert.equal(await reply.text(), whole(name).toString());
      assert.equal(model.sums.at(-1), createHash('sha256').update(body).digest('hex'));
    }
  });
  // They are too long to be read, and must not be copied for it.
  const { wasm } = await sage.isolate();
  assert.ok(wasm <= 32 * MIB, `WASM memory: ${wasm} bytes`);
});
