// @ts-check
// What an app and its clients may expect of Sage in between: everything arrives as it was sent, and nothing waits for Sage.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { SECRETS, startSageBare } from '../lib/bench-workerd.mjs';
import { ask, raw, startOrigin } from '../lib/proxy-origin.mjs';

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */

/** @type {Awaited<ReturnType<typeof startOrigin>>} */ let origin;
/** @type {Awaited<ReturnType<typeof startSageBare>>} */ let sage;

before(async () => {
  origin = await startOrigin();
  sage = await startSageBare({ origin: origin.url });
});
after(async () => {
  await sage?.stop();
  await origin?.stop();
});

const lastSeen = () => {
  const last = origin.seen.at(-1);
  assert.ok(last, 'the app was asked');
  return last;
};
const sha256 = (/** @type {Buffer} */ bytes) => createHash('sha256').update(bytes).digest('hex');

/** @param {string} path @param {import('node:http').RequestOptions} [options] */
function open(path, options = {}) {
  return httpRequest({ hostname: '127.0.0.1', port: sage.port, path, agent: false, ...options });
}

describe('requests', () => {
  test('every method arrives, with its body', async () => {
    origin.on('/method', (request, response) => {
      const hash = createHash('sha256');
      request.on('data', (chunk) => hash.update(chunk)).on('end', () => response.end(hash.digest('hex')));
    });
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'MKCOL', 'PURGE']) {
      const body = ['GET', 'OPTIONS'].includes(method) ? undefined : Buffer.from(`body of ${method} é\0`);
      const reply = await ask(sage.url, '/method', { method, body });
      assert.equal(reply.status, 200, method);
      assert.equal(lastSeen().method, method);
      assert.equal(reply.body.toString(), sha256(body ?? Buffer.alloc(0)), method);
    }
  });

  test('64 MiB go up unchanged, with content-length or chunked', async () => {
    origin.on('/upload', (request, response) => {
      const hash = createHash('sha256');
      request.on('data', (chunk) => hash.update(chunk)).on('end', () => response.end(`${request.headers['content-length'] ?? request.headers['transfer-encoding']} ${hash.digest('hex')}`));
    });
    const block = randomBytes(1 << 20);
    for (const headers of [{ 'content-length': 64 << 20 }, { 'transfer-encoding': 'chunked' }]) {
      const request = open('/upload', { method: 'POST', headers });
      const answered = /** @type {Promise<[IncomingMessage]>} */ (once(request, 'response'));
      const hash = createHash('sha256');
      for (let i = 0; i < 64; i += 1) {
        block.writeUInt32LE(i);
        const part = Buffer.from(block);
        hash.update(part);
        if (!request.write(part)) await once(request, 'drain');
      }
      request.end();
      const [response] = await answered;
      const text = Buffer.concat(await response.toArray()).toString();
      assert.equal(text, `${headers['content-length'] ?? 'chunked'} ${hash.digest('hex')}`);
    }
  });

  test('the app sees an upload while it is being sent', async () => {
    /** @type {number[]} */ const arrived = [];
    origin.on('/slow-upload', (request, response) => {
      request.on('data', () => arrived.push(performance.now())).on('end', () => response.end('done'));
    });
    const request = open('/slow-upload', { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
    const sent = [];
    for (let i = 0; i < 4; i += 1) {
      request.write(`part ${i}`);
      sent.push(performance.now());
      await sleep(150);
    }
    assert.ok(arrived.length >= 3, `${arrived.length} parts had arrived before the end was sent`);
    request.end();
    const [response] = await once(request, 'response');
    response.resume();
    assert.equal(response.statusCode, 200);
  });

  test('paths and queries keep every byte', async () => {
    for (const path of ['/a%2Fb', '//double//slash', '/semi;colon=1;x', '/%E2%9C%93/%f0%9f%98%80', '/q?', '/q?a=1&a=2&b=%20+%2B&c', '/q?x=a%26b%3Dc#',
      '/a%20b', "/quote'()*!$,", '/%', '/~tilde/@at:colon', '/plus+plus', '/dot./..%2f', '/?', '/%00', '/q?%zz=1|2', '/q?url=https://x.example/?y=1']) {
      const expected = path.replace(/#.*/, '');
      const reply = await raw(sage.port, `GET ${path} HTTP/1.1\r\nhost: chat.example.com\r\nconnection: close\r\n\r\n`);
      assert.match(reply.toString('latin1'), /^HTTP\/1\.1 200/, path);
      assert.equal(lastSeen().url, expected, `${path} arrived as ${lastSeen().url}`);
    }
  });

  test('what Sage adds, overwrites and drops', async () => {
    await ask(sage.url, '/headers', {
      headers: {
        host: 'chat.example.com', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'gopher', 'sage-turn': '{}', 'Sage-User': 'x',
        'proxy-authorization': 'Basic x', te: 'trailers', 'keep-alive': 'timeout=5', connection: 'keep-alive, x-one-hop', 'x-one-hop': '1',
        cookie: 'a=1; b=2', authorization: 'Bearer app', 'accept-encoding': 'zstd', 'x-sage': 'kept', 'accept-language': 'ne;q=0.9', referer: 'https://a.example/x?y',
      },
    });
    const { headers } = lastSeen();
    assert.equal(headers['x-forwarded-host'], 'chat.example.com');
    assert.equal(headers['x-forwarded-proto'], 'http');
    for (const name of ['sage-turn', 'sage-user', 'proxy-authorization', 'te', 'keep-alive', 'x-one-hop']) assert.equal(headers[name], undefined, name);
    const kept = { cookie: 'a=1; b=2', authorization: 'Bearer app', 'x-sage': 'kept', 'accept-language': 'ne;q=0.9', referer: 'https://a.example/x?y' };
    for (const [name, value] of Object.entries(kept)) assert.equal(headers[name], value, name);
    assert.equal(headers.host, `127.0.0.1:${origin.port}`);
    assert.match(headers['accept-encoding'] ?? '', /^zstd$/);
  });

  test('a client that hangs up lets the app know within seconds', async () => {
    const closed = new Promise((resolve) => {
      origin.on('/endless', (request, response) => {
        const timer = setInterval(() => response.write('tick\n'), 50);
        response.on('close', () => { clearInterval(timer); resolve(performance.now()); });
      });
    });
    const request = open('/endless');
    request.on('error', () => {});
    request.end();
    const [response] = await once(request, 'response');
    await once(response, 'data');
    const left = performance.now();
    request.destroy();
    const at = await Promise.race([closed, sleep(5000, undefined, { ref: false })]);
    assert.ok(at, 'the app still streams 5 s after its client left');
    assert.ok(at - left < 5000);
  });
});

describe('replies', () => {
  test('a streamed reply arrives as it is sent', async () => {
    origin.on('/stream', async (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let i = 0; i < 6; i += 1) {
        response.write(`data: ${i}\n\n`);
        await sleep(100);
      }
      response.end();
    });
    const request = open('/stream');
    request.end();
    const began = performance.now();
    const [response] = /** @type {[IncomingMessage]} */ (await once(request, 'response'));
    const headAt = performance.now() - began;
    /** @type {number[]} */ const at = [];
    let text = '';
    for await (const chunk of response) {
      at.push(performance.now());
      text += chunk;
    }
    assert.equal(text, Array.from({ length: 6 }, (_, i) => `data: ${i}\n\n`).join(''));
    assert.ok(headAt < 300, `the head took ${headAt} ms`);
    const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0));
    assert.ok(gaps.filter((gap) => gap > 50).length >= 4, `the chunks came in a lump: gaps of ${gaps.map(Math.round).join(', ')} ms`);
    assert.equal(response.headers['transfer-encoding'], 'chunked');
    assert.equal(response.headers['content-length'], undefined);
  });

  test('redirects are the client\'s, and lead to Sage where they led to the app', async () => {
    origin.on('/redirect', (request, response) => {
      const query = new URLSearchParams(request.url?.split('?')[1]);
      response.writeHead(Number(query.get('status')), { location: query.get('to') ?? '', 'set-cookie': ['a=1', 'b=2'] }).end('moved');
    });
    const publicOrigin = 'http://chat.example.com';
    for (const status of [301, 302, 303, 307, 308]) {
      for (const [to, expected] of [['/login', '/login'], ['relative?x', 'relative?x'], ['https://elsewhere.example.com/a?b#c', 'https://elsewhere.example.com/a?b#c'],
        [`${origin.url}/login?next=%2Fx`, `${publicOrigin}/login?next=%2Fx`], [origin.url, publicOrigin], [`${origin.url}0/other`, `${origin.url}0/other`]]) {
        const reply = await ask(sage.url, `/redirect?status=${status}&to=${encodeURIComponent(to ?? '')}`, { headers: { host: 'chat.example.com' } });
        assert.equal(reply.status, status);
        assert.equal(reply.headers.location, expected, `${status} ${to}`);
        assert.deepEqual(reply.headers['set-cookie'], ['a=1', 'b=2']);
        assert.equal(reply.body.toString(), 'moved');
      }
    }
  });

  test('cookies stay apart', async () => {
    const cookies = ['sid=1; Path=/; HttpOnly', 'theme=dark; Expires=Wed, 09 Jun 2027 10:18:14 GMT', 'x=a,b'];
    origin.on('/cookies', (request, response) => response.writeHead(200, { 'set-cookie': cookies }).end());
    assert.deepEqual((await ask(sage.url, '/cookies')).headers['set-cookie'], cookies);
  });

  test('ranges, HEAD, 204, 304', async () => {
    origin.on('/file', (request, response) => {
      if (request.headers['if-none-match'] === '"v1"') return response.writeHead(304, { etag: '"v1"' }).end();
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      const text = '0123456789';
      if (range) {
        const part = text.slice(Number(range[1]), Number(range[2]) + 1);
        return response.writeHead(206, { 'content-range': `bytes ${range[1]}-${range[2]}/10`, 'content-length': part.length, 'accept-ranges': 'bytes' }).end(part);
      }
      return response.writeHead(200, { 'content-length': 10, etag: '"v1"' }).end(request.method === 'HEAD' ? undefined : text);
    });
    origin.on('/none', (request, response) => request.resume().on('end', () => response.writeHead(204, { 'x-kept': 'yes' }).end()));
    const part = await ask(sage.url, '/file', { headers: { range: 'bytes=2-5' } });
    assert.deepEqual([part.status, part.headers['content-range'], part.headers['content-length'], part.body.toString()], [206, 'bytes 2-5/10', '4', '2345']);
    const head = await ask(sage.url, '/file', { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '10', 0]);
    const same = await ask(sage.url, '/file', { headers: { 'if-none-match': '"v1"' } });
    assert.deepEqual([same.status, same.headers.etag, same.body.length], [304, '"v1"', 0]);
    const none = await ask(sage.url, '/none', { method: 'POST', body: 'x' });
    assert.deepEqual([none.status, none.headers['x-kept'], none.body.length], [204, 'yes', 0]);
  });

  test('early hints do not break a reply', async () => {
    origin.on('/hints', (request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      setTimeout(() => response.end('after the hint'), 30);
    });
    const reply = await ask(sage.url, '/hints');
    assert.deepEqual([reply.status, reply.body.toString()], [200, 'after the hint']);
  });

  test('compressed replies keep their bytes, asked for or not', async () => {
    const text = 'a line of text that compresses well\n'.repeat(2000);
    const packed = { gzip: gzipSync(text), br: brotliCompressSync(text) };
    for (const [encoding, bytes] of Object.entries(packed)) {
      origin.on(`/${encoding}`, (request, response) => response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': encoding, 'content-length': bytes.length }).end(bytes));
      for (const headers of [{ 'accept-encoding': encoding }, { 'accept-encoding': 'gzip, deflate, br, zstd' }, { 'accept-encoding': 'identity' }, {}]) {
        const reply = await ask(sage.url, `/${encoding}`, { headers });
        assert.equal(reply.headers['content-encoding'], encoding, JSON.stringify(headers));
        assert.equal(sha256(reply.body), sha256(bytes), `${encoding} for ${JSON.stringify(headers)}`);
        assert.equal(reply.headers['content-length'], String(bytes.length));
      }
    }
  });

  test('content-length stays, and a reply without one stays without', async () => {
    origin.on('/long', (request, response) => response.writeHead(200, { 'content-length': 100_000 }).end(Buffer.alloc(100_000, 'x')));
    origin.on('/chunked', (request, response) => { response.write('a'); response.end('b'); });
    const long = await ask(sage.url, '/long');
    assert.deepEqual([long.headers['content-length'], long.headers['transfer-encoding'], long.body.length], ['100000', undefined, 100_000]);
    const chunked = await ask(sage.url, '/chunked');
    assert.deepEqual([chunked.headers['content-length'], chunked.headers['transfer-encoding'], chunked.body.toString()], [undefined, 'chunked', 'ab']);
  });

  test('statuses and headers of the app are its own', async () => {
    origin.on('/status', (request, response) => {
      const status = Number(request.url?.split('?')[1]);
      response.writeHead(status, { 'content-type': 'application/json', 'x-app': 'yes', 'sage-like': 'kept', 'x-sage-thing': 'kept', server: 'app/1', 'cache-control': 'private' }).end(`{"status":${status}}`);
    });
    for (const status of [200, 201, 202, 400, 401, 403, 404, 409, 410, 418, 422, 429, 451, 500, 501, 502, 503, 504, 599]) {
      const reply = await ask(sage.url, `/status?${status}`);
      assert.equal(reply.status, status);
      assert.equal(reply.body.toString(), `{"status":${status}}`);
      assert.deepEqual(['x-app', 'sage-like', 'x-sage-thing', 'server', 'cache-control', 'content-type'].map((name) => reply.headers[name]), ['yes', 'kept', 'kept', 'app/1', 'private', 'application/json']);
    }
  });

  test('headers of one hop end at Sage', async () => {
    origin.on('/hop', (request, response) => response.writeHead(200, { 'keep-alive': 'timeout=77', 'proxy-authenticate': 'Basic', 'x-next': '1', connection: 'keep-alive' }).end('x'));
    const { headers, body } = await ask(sage.url, '/hop');
    assert.equal(body.toString(), 'x');
    assert.notEqual(headers['keep-alive'], 'timeout=77');
    assert.equal(headers['x-next'], '1');
  });
});

describe('connections', () => {
  test('a WebSocket passes', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${sage.port}/socket?room=1`);
    socket.binaryType = 'arraybuffer';
    await once(socket, 'open');
    assert.equal(lastSeen().url, '/socket?room=1');
    const blob = randomBytes(50_000);
    for (const message of ['hello', 'नमस्ते', blob]) {
      socket.send(message);
      const [{ data }] = await once(socket, 'message');
      assert.deepEqual(typeof data === 'string' ? data : Buffer.from(data), message);
    }
    const closed = once(socket, 'close');
    socket.close(1000);
    await closed;
  });

  test('200 slow streams at once', async () => {
    origin.on('/slow', async (request, response) => {
      for (let i = 0; i < 10; i += 1) {
        response.write(`${i}`);
        await sleep(100);
      }
      response.end();
    });
    const began = performance.now();
    const replies = await Promise.all(Array.from({ length: 200 }, () => ask(sage.url, '/slow')));
    assert.ok(replies.every((reply) => reply.status === 200 && reply.body.toString() === '0123456789'));
    const took = performance.now() - began;
    assert.ok(took < 8000, `took ${took} ms: the streams waited for each other`);
  });

  test('an app that is not there: a page, a number to quote, and back again', async () => {
    const gone = await startOrigin();
    const alone = await startSageBare({ origin: gone.url });
    try {
      assert.equal((await ask(alone.url, '/')).status, 200);
      await gone.stop();
      for (const method of ['GET', 'POST']) {
        const reply = await ask(alone.url, '/chat?token=secret', { method, body: method === 'POST' ? 'x' : undefined });
        assert.equal(reply.status, 502);
        assert.match(reply.headers['content-type'] ?? '', /^text\/html/);
        const id = reply.headers['x-request-id'];
        assert.match(String(id), /^[0-9a-f]{16}$/);
        assert.ok(reply.body.includes(String(id)) && !reply.body.includes('secret') && !reply.body.includes(String(gone.port)));
        assert.equal(reply.headers['cache-control'], 'no-store');
      }
    } finally {
      await alone.stop();
    }
  });

  test('an app that breaks off mid-reply breaks off for the client, too', async () => {
    origin.on('/broken', (request, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('half');
      setTimeout(() => response.destroy(), 50);
    });
    await assert.rejects(ask(sage.url, '/broken'), 'half a reply must not look whole');
    assert.equal((await ask(sage.url, '/after')).status, 200);
  });
});

describe('request events', () => {
  /** @param {{ url: string }} worker */
  const operations = async (worker) => {
    const reply = await ask(worker.url, '/sage?panel=operations', { headers: { authorization: `Bearer ${SECRETS.SAGE_ADMIN_TOKEN}`, accept: 'application/json' } });
    assert.equal(reply.status, 200, reply.body.toString());
    return JSON.parse(reply.body.toString()).panels.operations;
  };
  /** A page and fifty of its assets, as a browser asks for them. @param {{ url: string }} worker */
  const page = async (worker) => {
    await ask(worker.url, '/chat/7?session=secret');
    await Promise.all(Array.from({ length: 50 }, (_, i) => ask(worker.url, `/assets/chunk-${i}.${['js', 'css', 'png', 'woff2', 'svg'][i % 5]}`)));
  };

  test('a page with 50 assets counts once, and with assets it costs one call to the Shard', async () => {
    for (const [assets, expected] of /** @type {[boolean, number][]} */ ([[false, 1], [true, 51]])) {
      const own = await startSageBare({ origin: origin.url, settings: { capture: { static_assets: assets } } });
      try {
        await page(own);
        await sleep(1700);
        const { requests, shards, intake } = await operations(own);
        assert.equal(requests.total.value, expected);
        assert.equal(intake.stored.value, expected);
        assert.equal(intake.received.value, expected);
        assert.ok(shards[0].log_position >= 1 && shards[0].log_position <= 2, `${shards[0].log_position} rows for ${expected} requests`);
      } finally {
        await own.stop();
      }
    }
  });

  const standIn = { file: fileURLToPath(new URL('../lib/proxy-shard.js', import.meta.url)), binding: 'SHARD_OBJECT' };

  test('a page with 50 assets is one call to the Shard, and nothing personal is in it', async () => {
    const own = await startSageBare({ origin: origin.url, settings: { capture: { static_assets: true } }, standIn });
    const headers = {
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0 alice', 'cf-connecting-ip': '203.0.113.77',
      referer: 'https://mail.example.org/inbox/alice', cookie: 'sid=s3cr3t', authorization: 'Bearer s3cr3t',
    };
    const appended = async () => /** @type {string[]} */ (JSON.parse((await ask(own.standInUrl, '/appended')).body.toString()));
    try {
      await page(own);
      for (let i = 0; i < 3; i += 1) await ask(own.url, '/users/alice@example.com?token=s3cr3t', { headers });
      await sleep(1700);
      const calls = await appended();
      assert.equal(calls.length, 1);
      assert.ok(calls[0]?.includes('203.0.113.0/24') && calls[0].includes('Firefox') && calls[0].includes('example.org'), calls[0]);
      await ask(own.url, '/users/alice@example.com?token=s3cr3t', { headers: { ...headers, 'sec-gpc': '1' } });
      await ask(own.url, '/users/alice@example.com?token=s3cr3t', { headers: { ...headers, dnt: '1' } });
      await sleep(1700);
      const all = await appended();
      assert.equal(all.length, 2);
      for (const secret of ['alice', 's3cr3t', '203.0.113.77', 'inbox']) assert.ok(!all.join().includes(secret), `${secret} in ${all.join()}`);
      for (const hint of ['203.0', 'Firefox', 'example.org']) assert.ok(!all[1]?.includes(hint), `${hint} of a person who opted out in ${all[1]}`);
      assert.equal((await operations(own)).requests.total.value, 56);
    } finally {
      await own.stop();
    }
  });

  test('what no Shard took is counted', async () => {
    const own = await startSageBare({ origin: origin.url, standIn });
    try {
      await ask(own.standInUrl, '/tell?fail=2');
      for (let i = 0; i < 5; i += 1) assert.equal((await ask(own.url, '/page')).status, 200);
      await sleep(1700);
      for (let i = 0; i < 3; i += 1) await ask(own.url, '/page');
      await sleep(1700);
      const { intake, requests } = await operations(own);
      assert.deepEqual([requests.total.value, intake.received.value, intake.stored.value, intake.dropped.value], [3, 8, 3, 5]);
      assert.deepEqual(intake.dropped_by_reason.map((/** @type {any} */ row) => [row.bucket, row.value]), [['capture_unstored', 5]]);
    } finally {
      await own.stop();
    }
  });

  test('a Shard that hangs does not slow the app, and every request is counted as stored or lost', async () => {
    const own = await startSageBare({ origin: origin.url, standIn });
    try {
      await ask(own.standInUrl, '/tell?hang');
      /** @type {number[]} */ const took = [];
      const lane = async () => {
        for (let i = 0; i < 150; i += 1) {
          const began = performance.now();
          assert.equal((await ask(own.url, `/page/${i}`)).status, 200);
          took.push(performance.now() - began);
        }
      };
      await Promise.all(Array.from({ length: 16 }, lane));
      took.sort((a, b) => a - b);
      assert.ok((took[took.length >> 1] ?? 0) < 50, `p50 ${took[took.length >> 1]} ms`);
      await ask(own.standInUrl, '/tell');
      // A call is given up after 5 s and tried once more; what was lost is told with the next events.
      await sleep(6500);
      await ask(own.url, '/page/last');
      await sleep(1700);
      const { intake, requests } = await operations(own);
      assert.equal(intake.received.value, took.length + 1);
      assert.equal(requests.total.value, intake.stored.value);
    } finally {
      await own.stop();
    }
  });

  test('a client that leaves takes no one\'s events with it', async () => {
    const own = await startSageBare({ origin: origin.url });
    try {
      origin.on('/leaving', (request, response) => void response.write('first words'));
      const request = httpRequest({ hostname: '127.0.0.1', port: own.port, path: '/leaving', agent: false });
      request.on('error', () => {});
      request.end();
      const [response] = await once(request, 'response');
      response.on('error', () => {});
      await once(response, 'data');
      await Promise.all(Array.from({ length: 3 }, (_, i) => ask(own.url, `/others/${i}`)));
      request.destroy();
      await Promise.all(Array.from({ length: 3 }, (_, i) => ask(own.url, `/others/${i}`)));
      await sleep(1700);
      await ask(own.url, '/last');
      await sleep(1700);
      assert.equal((await operations(own)).requests.total.value, 8);
    } finally {
      await own.stop();
    }
  });
});
