// @ts-check
// The model provider of the benchmark, as cheap as Node can be: chat replies on raw sockets, in a process of its own.
// The query says how: `chunks`, `pause` (ms between two), `gate` (after half of them a stream waits for the message `go`).
// To every other message it answers how many streams wait.

import { createServer } from 'node:net';
import { ask, chunks, stamp, whole } from './chat.mjs';

const NAME = 'CDh7xBqLw0Yt3KzP2mNvQ8rSa1uEf';
const json = whole(NAME);
const reply = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\nx-request-id: req_1\r\n\r\n`), json]);
const start = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n');
const LAST = Buffer.from('0\r\n\r\n');

/** Chunks as they stand on the wire, made once. @type {Map<string, Buffer[]>} */
const made = new Map();
const framed = (/** @type {number} */ count, /** @type {boolean} */ usage) => {
  const key = `${count} ${usage}`;
  const known = made.get(key);
  if (known) return known;
  const parts = chunks({ name: NAME, count, usage }).map((bytes) => Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]));
  const all = parts.map((part, at) => Buffer.concat([...(at ? [] : [start]), part, ...(at === count - 1 ? [LAST] : [])]));
  made.set(key, all);
  return all;
};

/** @type {Set<() => void>} */ const waiting = new Set();
const longest = ask({ usage: true }).length + 4096;

const server = createServer({ noDelay: true }, (socket) => {
  let pending = '';
  /** @type {(() => void) | undefined} */ let waits;
  const gone = () => { if (waits) waiting.delete(waits); socket.destroy(); };
  socket.on('error', gone);
  socket.on('close', gone);
  socket.on('data', (data) => {
    pending += data.toString('latin1');
    if (pending.length > longest) throw new Error('a request that the benchmark does not send');
    const end = pending.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = pending.slice(0, end).toLowerCase();
    const length = Number(/content-length: *(\d+)/.exec(head)?.[1] ?? 0);
    if (head.includes('transfer-encoding: chunked') ? !pending.endsWith('0\r\n\r\n') : pending.length - end - 4 < length) return;
    const query = new URLSearchParams(/\?(\S*)/.exec(pending.slice(0, pending.indexOf('\r\n')))?.[1]);
    const [streams, usage] = [pending.includes('"stream":true'), pending.includes('"include_usage":true')];
    pending = '';
    if (!streams) return void socket.write(reply);
    const parts = framed(Number(query.get('chunks') ?? 40), usage);
    const pause = Number(query.get('pause') ?? 0);
    const half = query.has('gate') ? parts.length >> 1 : -1;
    let sent = 0;
    const next = () => {
      if (socket.destroyed) return;
      // Many streams share the chunk: each writes its own.
      socket.write(stamp(Buffer.from(parts[sent] ?? LAST)));
      sent += 1;
      if (sent === half) waiting.add((waits = next));
      else if (sent < parts.length && pause) setTimeout(next, pause);
      else if (sent < parts.length) setImmediate(next);
    };
    next();
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address();
  process.send?.(typeof address === 'object' ? address?.port : 0);
});
process.on('message', (message) => {
  if (message !== 'go') return void process.send?.(waiting.size);
  const streams = [...waiting];
  waiting.clear();
  for (const next of streams) next();
});
process.on('disconnect', () => process.exit());
