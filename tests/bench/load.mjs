// @ts-check
// The load client: keep-alive connections on raw sockets, one request at a time on each, in a process of its own. It
// parses no more than it needs to know where a reply ends, so that the Worker is what is measured.

import { connect } from 'node:net';
import { sentAt } from './chat.mjs';
import { renumber, templates } from './turns.mjs';

/**
 * @typedef {object} Job
 * @property {number} port
 * @property {string} path
 * @property {number} connections
 * @property {number} ms How long; 0: one request on each connection.
 * @property {string[]} [headers] Lines.
 * @property {{ batches: number, size: number, users: number, from: number, to: number, seed: number }} [turns] POST these.
 * @property {string} [run] 8 characters that make the run's ids its own.
 * @property {string} [body] POST this.
 * @property {number} [pauseMs] Between a reply and the next request.
 *
 * @typedef {object} Load
 * @property {number} requests Answered with 200.
 * @property {number} ms
 * @property {number} errors
 * @property {string[]} samples What errors looked like.
 * @property {number[]} latency p50, p90, p99, ms to the end of the reply.
 * @property {number[]} firstByte p50, p90, p99, ms.
 * @property {number[]} chunk p50, p90, p99, ms from when a chunk was sent to when it is here, of chunks that say when they were.
 * @property {number} chunks How many.
 * @property {number} stored Sum of `"stored":n` in the replies.
 * @property {number} cpuMs CPU of this process.
 */

const END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** @param {number[]} values */
function percentiles(values) {
  const sorted = Float64Array.from(values).sort();
  return [0.5, 0.9, 0.99].map((p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? NaN);
}

/** @param {Job} job @returns {Promise<Load>} */
async function run(job) {
  const bodies = job.turns && templates(job.turns);
  const lines = [`host: 127.0.0.1:${job.port}`, 'accept: */*', ...(job.headers ?? [])];
  const always = Buffer.from(job.body === undefined
    ? `GET ${job.path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
    : `POST ${job.path} HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(job.body)}\r\n\r\n${job.body}`);
  const result = { requests: 0, ms: 0, errors: 0, samples: /** @type {string[]} */ ([]), stored: 0 };
  /** @type {number[]} */ const latencies = [];
  /** @type {number[]} */ const firstBytes = [];
  /** @type {number[]} */ const delays = [];
  let sent = 0;
  const cpu = process.cpuUsage();
  const began = performance.now();
  const until = began + job.ms;
  const fail = (/** @type {string} */ what) => {
    result.errors += 1;
    if (result.samples.length < 5) result.samples.push(what.slice(0, 400));
  };

  const one = () => new Promise((resolve) => {
    let at = 0;
    let first = 0;
    let left = -1; // Bytes of the body to come; -1: head not read; -2: chunked.
    let tail = Buffer.alloc(0);
    let ok = false;
    const socket = connect({
      port: job.port, host: '127.0.0.1', noDelay: true,
      onread: { buffer: Buffer.allocUnsafe(256 * 1024), callback: (bytes, buffer) => { read(/** @type {Buffer} */ (buffer).subarray(0, bytes)); return true; } },
    });
    const send = () => {
      at = performance.now();
      first = 0;
      left = -1;
      if (bodies) {
        const body = renumber(bodies[sent % bodies.length], job.run ?? 'runaaaaa', sent);
        socket.cork();
        socket.write(`POST ${job.path} HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`);
        socket.write(Buffer.from(body));
        socket.uncork();
      } else {
        socket.write(always);
      }
      sent += 1;
    };
    const finish = () => {
      const now = performance.now();
      if (ok) {
        result.requests += 1;
        latencies.push(now - at);
        firstBytes.push(first - at);
      }
      at = 0;
      if (now >= until) socket.end();
      else if (job.pauseMs) setTimeout(send, job.pauseMs);
      else send();
    };
    /** @param {Buffer} data */
    const read = (data) => {
      if (!first) first = performance.now();
      if (job.body !== undefined) {
        const now = Number(process.hrtime.bigint());
        for (const sent of sentAt(data)) delays.push((now - sent) / 1e6);
      }
      if (left === -1) {
        if (tail.length) data = Buffer.concat([tail, data]);
        const end = data.indexOf(END);
        if (end < 0) return void (tail = Buffer.from(data));
        tail = Buffer.alloc(0);
        const head = data.toString('latin1', 0, end).toLowerCase();
        ok = head.startsWith('http/1.1 200');
        if (!ok) fail(data.toString('latin1', 0, 400));
        const length = /content-length: *(\d+)/.exec(head);
        if (bodies && ok) result.stored += Number(/"stored":(\d+)/.exec(data.toString('latin1', end))?.[1] ?? 0);
        data = data.subarray(end + 4);
        left = length ? Number(length[1]) : -2;
      }
      if (left === -2) {
        const end = data.length >= 5 ? data.subarray(-5) : Buffer.concat([tail, data]).subarray(-5);
        tail = Buffer.from(end);
        if (end.equals(LAST_CHUNK)) { tail = Buffer.alloc(0); finish(); }
      } else {
        left -= data.length;
        if (left <= 0) finish();
      }
    };
    socket.on('connect', send);
    socket.on('error', (error) => fail(String(error)));
    socket.on('close', () => { if (at) fail('the connection broke'); resolve(undefined); });
  });

  await Promise.all(Array.from({ length: job.connections }, one));
  const used = process.cpuUsage(cpu);
  return { ...result, ms: performance.now() - began, latency: percentiles(latencies), firstByte: percentiles(firstBytes), chunk: percentiles(delays), chunks: delays.length, cpuMs: (used.user + used.system) / 1000 };
}

process.on('message', async (job) => process.send?.(await run(/** @type {Job} */ (job))));
process.on('disconnect', () => process.exit());
