// @ts-check
// An app to stand behind Sage: a plain Node server, whose routes a test sets, that remembers what it was asked.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {(request: IncomingMessage, response: ServerResponse) => unknown} Handler */

export async function startOrigin() {
  /** @type {Map<string, Handler>} */ const routes = new Map();
  /** @type {{ method?: string, url?: string, headers: import('node:http').IncomingHttpHeaders, rawHeaders: string[] }[]} */ const seen = [];
  const server = createServer((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, rawHeaders: request.rawHeaders });
    const handler = routes.get((request.url ?? '').split('?')[0] ?? '') ?? routes.get('*');
    if (handler) return void handler(request, response);
    request.resume().on('end', () => response.end('ok'));
  });
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  server.on('upgrade', (request, socket, head) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, rawHeaders: request.rawHeaders });
    echo(request, /** @type {import('node:net').Socket} */ (socket), head);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const stop = async () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, port, seen, stop, on: (/** @type {string} */ path, /** @type {Handler} */ handler) => void routes.set(path, handler) };
}

/** A WebSocket server that sends back what it is sent (frames up to 64 KiB, one read each or several).
 * @param {IncomingMessage} request @param {import('node:net').Socket} socket @param {Buffer} head */
function echo(request, socket, head) {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  /** @type {Buffer} */ let pending = head;
  socket.on('error', () => {});
  socket.on('data', (data) => {
    pending = Buffer.concat([pending, /** @type {Buffer} */ (data)]);
    for (;;) {
      const short = (pending[1] ?? 0) & 0x7f;
      const start = short === 126 ? 4 : 2;
      if (pending.length < start) return;
      const length = short === 126 ? pending.readUInt16BE(2) : short;
      if (pending.length < start + 4 + length) return;
      const mask = pending.subarray(start, start + 4);
      const payload = Buffer.from(pending.subarray(start + 4, start + 4 + length)).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
      const opcode = (pending[0] ?? 0) & 0x0f;
      pending = pending.subarray(start + 4 + length);
      const size = length < 126 ? Buffer.from([length]) : Buffer.from([126, length >> 8, length & 255]);
      socket.write(Buffer.concat([Buffer.from([0x80 | opcode]), size, payload]));
      if (opcode === 8) return void socket.end();
    }
  });
}

/**
 * Asks with Node's own client, which changes nothing: no redirects, no decompression.
 * @param {string} base
 * @param {string} path
 * @param {{ method?: string, headers?: import('node:http').OutgoingHttpHeaders, body?: string | Buffer }} [options]
 * @returns {Promise<{ status: number, headers: import('node:http').IncomingHttpHeaders, rawHeaders: string[], body: Buffer }>}
 */
export async function ask(base, path, { method = 'GET', headers = {}, body } = {}) {
  const { hostname, port } = new URL(base);
  // Of a DELETE with a body Node would not say that there is one.
  const framed = body === undefined ? headers : { 'content-length': Buffer.byteLength(body), ...headers };
  const request = httpRequest({ hostname, port, path, method, headers: framed, agent: false });
  request.end(body);
  const [response] = /** @type {[IncomingMessage]} */ (await once(request, 'response'));
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, rawHeaders: response.rawHeaders, body: Buffer.concat(chunks) };
}

/** Sends bytes as they are and gives back all that came until the other end closed. @param {number} port @param {string | Buffer} bytes */
export async function raw(port, bytes) {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  /** @type {Buffer[]} */ const chunks = [];
  for await (const chunk of socket) chunks.push(/** @type {Buffer} */ (chunk));
  return Buffer.concat(chunks);
}
