// @ts-check
// The app of the benchmark, as cheap as Node can be: fixed bytes on raw sockets, in a process of its own.
// `/16k`: 16 KiB with content-length. `/stream`: 20 chunks, each written on its own.

import { createServer } from 'node:net';

const CHUNKS = 20;
const body = Buffer.alloc(16 * 1024, 'The quick brown fox jumps over the lazy dog. ');
const fixed = Buffer.concat([
  Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: ${body.length}\r\ncache-control: no-store\r\nset-cookie: sid=1; Path=/; HttpOnly\r\n\r\n`),
  body,
]);
const head = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n');
const text = `data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a few words of the reply"}}\n\n`;
const chunk = Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`);
const first = Buffer.concat([head, chunk]);
const last = Buffer.concat([chunk, Buffer.from('0\r\n\r\n')]);

const server = createServer({ noDelay: true }, (socket) => {
  let pending = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    pending += data.toString('latin1');
    if (!pending.endsWith('\r\n\r\n')) return;
    const streams = pending.startsWith('GET /stream');
    pending = '';
    if (!streams) return void socket.write(fixed);
    socket.write(first);
    let sent = 1;
    const next = () => {
      if (socket.destroyed) return;
      sent += 1;
      socket.write(sent === CHUNKS ? last : chunk);
      if (sent < CHUNKS) setImmediate(next);
    };
    setImmediate(next);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.(typeof address === 'object' ? address?.port : 0);
});
process.on('disconnect', () => process.exit());
