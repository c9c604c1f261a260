// @ts-check
/** `Sage-Turn`: a turn that the app tells in its own response is counted, and no client ever sees it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import { startOrigin, startSage, until } from '../lib/sage.mjs';
import { scanFolder, scanner } from '../lib/scan.mjs';

const USER = 'response-person-4c7a';
const usage = { input_tokens: 1000, output_tokens: 100 };
// gpt-4o: 1000 × 2.50 + 100 × 10 USD a million.
const TURN_NANO_USD = 3_500_000;
let number = 0;
const told = (/** @type {object} */ more = {}) => JSON.stringify({ id: `told-${number++}`, user_id: USER, conversation_id: 'c', provider: 'openai', model: 'gpt-4o', usage, ...more });
const CHUNKS = ['event: token\ndata: Hel\n\n', 'event: tok', 'en\ndata: lo – event: Sage-Turn\n\n', ': ping\n\n', 'event: done\ndata: {}\n\n'];

/** @type {Awaited<ReturnType<typeof startOrigin>>} */ let app;
/** @type {import('../lib/sage.mjs').Sage} */ let sage;

before(async () => {
  app = await startOrigin(async (request, response) => {
    request.resume();
    switch (request.url) {
      case '/plain': return void response.writeHead(200, { 'content-type': 'application/json', 'sage-turn': told(), 'x-app': 'yes' }).end('{"reply":"hello"}');
      case '/two': return void response.writeHead(201, [['sage-turn', told()], ['sage-turn', told()]].flat()).end('two');
      case '/bad': return void response.writeHead(200, { 'sage-turn': '{"provider":"openai", "secret-field-91":1}' }).end('bad');
      case '/forged': return void response.writeHead(200, { 'sage-turn': told({ type: 'crisis' }) }).end('forged');
      case '/gzip': return void response.writeHead(200, { 'sage-turn': told(), 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end(gzipSync('hello '.repeat(500)));
      case '/stream': case '/silent': {
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
        for (const chunk of CHUNKS) {
          response.write(chunk);
          await sleep(30);
        }
        if (request.url === '/stream') {
          const event = `event: Sage-Turn\ndata: ${told()}\n\n`;
          response.write(event.slice(0, 9));
          await sleep(30);
          response.write(event.slice(9));
        }
        return void response.end();
      }
      default: return void response.writeHead(404).end();
    }
  });
  sage = await startSage({ origin: app.url });
});
after(async () => {
  await sage?.stop();
  await app?.close();
});

const spend = async () => (await sage.sage('panel=cost')).panels.cost.spend.value ?? 0;

test('in a header: counted, and taken out', async () => {
  const reply = await sage.request('/plain');
  assert.deepEqual([reply.status, reply.text, reply.headers.get('x-app'), reply.headers.get('sage-turn')], [200, '{"reply":"hello"}', 'yes', null]);
  await until('one turn', async () => (await spend()) === TURN_NANO_USD);
  const two = await sage.request('/two');
  assert.deepEqual([two.status, two.text, two.headers.get('sage-turn')], [201, 'two', null]);
  await until('three turns', async () => (await spend()) === 3 * TURN_NANO_USD);
  const packed = await sage.request('/gzip');
  assert.deepEqual([packed.text, packed.headers.get('sage-turn')], ['hello '.repeat(500), null]);
  await until('four turns', async () => (await spend()) === 4 * TURN_NANO_USD);
});

test('at the end of a stream: counted, taken out, and nothing else waits or changes', async () => {
  for (const path of ['/silent', '/stream']) {
    const before = await spend();
    const response = await fetch(sage.url + path);
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    const reader = response.body?.getReader();
    assert.ok(reader);
    const first = await reader.read();
    assert.equal(Buffer.from(first.value ?? []).toString(), CHUNKS[0], 'the first chunk comes alone');
    let text = CHUNKS[0];
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += Buffer.from(read.value).toString();
    assert.equal(text, CHUNKS.join(''));
    if (path === '/stream') await until('its turn', async () => (await spend()) === before + TURN_NANO_USD);
    else assert.equal(await spend(), before);
  }
});

test('of a person who does not want to be tracked only the money is kept', async () => {
  const before = await sage.sage('panel=cost,usage');
  await sage.request('/plain', { headers: { 'sec-gpc': '1' } });
  await until('its cost', async () => (await spend()) === before.panels.cost.spend.value + TURN_NANO_USD);
  const after = await sage.sage('panel=cost');
  assert.equal(after.panels.cost.top_users[0].value, before.panels.cost.top_users[0].value);
});

test('what can not be read is a dead letter, and the reply is the app\'s all the same', async () => {
  const before = (await sage.sage('panel=operations')).panels.operations.intake.dead_lettered.value;
  for (const path of ['/bad', '/forged']) {
    const reply = await sage.request(path);
    assert.deepEqual([reply.status, reply.headers.get('sage-turn')], [200, null]);
  }
  await until('both letters', async () => (await sage.sage('panel=operations')).panels.operations.intake.dead_lettered.value === before + 2);
  const scan = scanner([USER, 'secret-field-91']);
  assert.deepEqual((await scanFolder(sage.persist, scan)).found, []);
  assert.deepEqual(scan(sage.log(), 'log'), []);
});
