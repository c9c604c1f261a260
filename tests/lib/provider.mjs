// @ts-check
/**
 * Model providers on 127.0.0.1: replies of the shapes that their documentation shows, always the same for the same request,
 * so that what passes through Sage can be held against what comes straight from here.
 */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

/** Text that no one may find in anything stored. */
export const SECRET = 'completion-secret-7d1f';

/** @typedef {{ method?: string, url: string, headers: import('node:http').IncomingHttpHeaders, body: string }} Seen */

/** Starts the providers. `pauseMs`: between two chunks of a stream. @param {{ pauseMs?: number }} [options] */
export async function startProvider({ pauseMs = 0 } = {}) {
  /** @type {Seen[]} */ const seen = [];
  let hungUp = 0;
  let streaming = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts).toString();
    const url = request.url ?? '/';
    seen.push({ method: request.method, url, headers: request.headers, body });
    const reply = answer(url, body, request.headers);
    if (reply.status === 0) return void request.socket.destroy();
    response.writeHead(reply.status, reply.headers);
    if (!reply.chunks) return void response.end(reply.body);
    streaming++;
    let left = false;
    response.on('close', () => {
      streaming--;
      if (!response.writableFinished) { left = true; hungUp++; }
    });
    for (const chunk of reply.chunks) {
      if (left) return;
      response.write(chunk);
      if (pauseMs) await sleep(pauseMs);
    }
    if (reply.breaksOff) {
      await sleep(100);
      request.socket.destroy();
    }
    else response.end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port, url: `http://127.0.0.1:${port}`, seen,
    /** Streams that the reader left before their end. */
    get hungUp() { return hungUp; },
    get streaming() { return streaming; },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** @typedef {{ status: number, headers: Record<string, string>, body?: string | Buffer, chunks?: (string | Buffer)[], breaksOff?: boolean }} Answer */

/** @param {string} url @param {string} body @param {import('node:http').IncomingHttpHeaders} headers @returns {Answer} */
function answer(url, body, headers) {
  /** @type {any} */ let asked = {};
  try {
    asked = JSON.parse(body || '{}');
  } catch {}
  const path = url.split('?')[0] ?? '';
  const model = String(asked.model ?? decodeURIComponent(path.match(/\/models?\/([^/:]+(?::0)?)/)?.[1] ?? ''));
  const json = { 'content-type': 'application/json', 'x-request-id': 'req_1' };
  if (model.startsWith('error-')) {
    const status = Number(model.slice(6, 9));
    return { status, headers: json, body: JSON.stringify({ error: { message: `quoting ${SECRET}`, type: 'rate_limit_error', code: 'rate_limit_exceeded' } }) };
  }
  if (model.startsWith('gone')) return { status: 0, headers: {} };
  const breaksOff = model.endsWith('-broken');
  const name = model.replace(/-broken$/, '');
  if (path.endsWith('/chat/completions')) return chat(name, asked, breaksOff);
  if (path.endsWith('/responses')) return responses(name, asked);
  if (path.endsWith('/messages')) return messages(name, asked, breaksOff);
  if (path.includes(':generateContent')) return { status: 200, headers: json, body: JSON.stringify(gemini(name, SECRET, true)) };
  if (path.includes(':streamGenerateContent')) {
    const parts = ['Hello ', SECRET, ''].map((text, at) => gemini(name, text, at === 2));
    return url.includes('alt=sse')
      ? { status: 200, headers: { 'content-type': 'text/event-stream' }, chunks: parts.map((part) => `data: ${JSON.stringify(part)}\r\n\r\n`) }
      : { status: 200, headers: json, chunks: [`[${JSON.stringify(parts[0])}`, `,\r\n${JSON.stringify(parts[1])}`, `,\r\n${JSON.stringify(parts[2])}`, ']'] };
  }
  if (path.endsWith('/converse')) return { status: 200, headers: json, body: JSON.stringify({ output: { message: { role: 'assistant', content: [{ text: SECRET }] } }, stopReason: 'end_turn', usage: CONVERSE, metrics: { latencyMs: 5 } }) };
  if (path.endsWith('/converse-stream')) return converseStream();
  if (path.endsWith('/models')) return { status: 200, headers: json, body: JSON.stringify({ object: 'list', data: [{ id: 'gpt-4o' }], accept: headers.accept ?? null }) };
  return { status: 404, headers: json, body: JSON.stringify({ error: { message: 'no such route', type: 'not_found', code: null } }) };
}

export const CHAT = { prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_tokens_details: { cached_tokens: 200, audio_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } };
export const RESPONSES = { input_tokens: 1200, input_tokens_details: { cached_tokens: 200 }, output_tokens: 340, output_tokens_details: { reasoning_tokens: 40 }, total_tokens: 1540 };
export const CLAUDE = { input_tokens: 700, cache_creation_input_tokens: 300, cache_read_input_tokens: 200, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 }, output_tokens: 340, service_tier: 'standard' };
export const GEMINI = { promptTokenCount: 1200, candidatesTokenCount: 300, thoughtsTokenCount: 40, totalTokenCount: 1540, cachedContentTokenCount: 200 };
export const CONVERSE = { inputTokens: 1000, outputTokens: 340, totalTokens: 1540, cacheReadInputTokens: 200, cacheWriteInputTokens: 0 };

/** @param {string} model @param {any} asked @param {boolean} breaksOff @returns {Answer} */
function chat(model, asked, breaksOff) {
  const base = { id: 'chatcmpl-CDh7xBqLw0Yt3KzP2mNvQ8rSa1uEf', created: 1763750000, model, service_tier: 'default', system_fingerprint: 'fp_1' };
  if (!asked.stream) {
    const message = { role: 'assistant', content: `Hello ${SECRET}`, refusal: null };
    return { status: 200, headers: { 'content-type': 'application/json', 'x-request-id': 'req_1' }, body: JSON.stringify({ ...base, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage: CHAT }) };
  }
  const tells = asked.stream_options?.include_usage === true;
  const parts = ['Hel', 'lo ', SECRET, ' – “usage”: null, é'];
  const chunk = (/** @type {object} */ delta, /** @type {string | null} */ finish_reason) =>
    `data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, logprobs: null, finish_reason }], ...(tells ? { usage: null } : {}), obfuscation: 'xyz' })}\n\n`;
  const chunks = [chunk({ role: 'assistant', content: '' }, null), ...parts.map((content) => chunk({ content }, null))];
  if (!breaksOff) {
    chunks.push(chunk({}, 'stop'));
    if (tells) chunks.push(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [], usage: CHAT })}\n\n`);
    chunks.push('data: [DONE]\n\n');
  }
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': 'req_1' }, chunks, breaksOff };
}

/** @param {string} model @param {any} asked @returns {Answer} */
function responses(model, asked) {
  const whole = {
    id: 'resp_68af4030baa48193b0b43b4c2a176a1a0e6967589f080e78', object: 'response', created_at: 1763750000, status: 'completed', model, service_tier: 'default', error: null,
    output: [{ id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: `Hello ${SECRET}`, annotations: [] }] }],
    parallel_tool_calls: true, tool_choice: 'auto', tools: [], usage: RESPONSES, metadata: {}, incomplete_details: null, instructions: null, temperature: 1, top_p: 1,
  };
  if (!asked.stream) return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(whole) };
  const event = (/** @type {any} */ data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const started = { ...whole, status: 'in_progress', output: [], usage: null };
  const chunks = [
    event({ type: 'response.created', sequence_number: 0, response: started }),
    event({ type: 'response.output_text.delta', sequence_number: 1, item_id: 'msg_1', output_index: 0, content_index: 0, delta: `Hello ${SECRET}`, logprobs: [] }),
    event({ type: 'response.completed', sequence_number: 2, response: whole }),
  ];
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' }, chunks };
}

/** @param {string} model @param {any} asked @param {boolean} breaksOff @returns {Answer} */
function messages(model, asked, breaksOff) {
  const base = { id: 'msg_01XFDUDYJgAACzvnptvVoYEL', type: 'message', role: 'assistant', model };
  if (!asked.stream) {
    return { status: 200, headers: { 'content-type': 'application/json', 'request-id': 'req_1' }, body: JSON.stringify({ ...base, content: [{ type: 'text', text: `Hello ${SECRET}` }], stop_reason: 'end_turn', stop_sequence: null, usage: CLAUDE }) };
  }
  const event = (/** @type {any} */ data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const chunks = [
    event({ type: 'message_start', message: { ...base, content: [], stop_reason: null, stop_sequence: null, usage: { ...CLAUDE, output_tokens: 1 } } }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    event({ type: 'ping' }),
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: `Hello ${SECRET}` } }),
  ];
  if (!breaksOff) {
    chunks.push(
      event({ type: 'content_block_stop', index: 0 }),
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 340 } }),
      event({ type: 'message_stop' }),
    );
  }
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', 'request-id': 'req_1' }, chunks, breaksOff };
}

/** @param {string} modelVersion @param {string} text @param {boolean} last */
function gemini(modelVersion, text, last) {
  return {
    candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...(last ? { finishReason: 'STOP' } : {}) }],
    usageMetadata: last ? GEMINI : { promptTokenCount: 1200, totalTokenCount: 1200 }, modelVersion, responseId: 'Zk8haeXgA8uZjMcPh4q5gQU',
  };
}

/** A frame of AWS' event stream. @param {Record<string, string>} headers @param {string} payload */
export function awsFrame(headers, payload) {
  const fields = Object.entries(headers).map(([name, value]) => {
    const [n, v] = [Buffer.from(name), Buffer.from(value)];
    return Buffer.concat([Buffer.from([n.length]), n, Buffer.from([7, v.length >> 8, v.length & 255]), v]);
  });
  const head = Buffer.concat(fields);
  const data = Buffer.from(payload);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(16 + head.length + data.length, 0);
  prelude.writeUInt32BE(head.length, 4);
  const sum = (/** @type {Buffer} */ bytes) => {
    const out = Buffer.alloc(4);
    out.writeUInt32BE(crc32(bytes));
    return out;
  };
  const body = Buffer.concat([prelude, sum(prelude), head, data]);
  return Buffer.concat([body, sum(body)]);
}

/** @returns {Answer} */
function converseStream() {
  const frame = (/** @type {string} */ type, /** @type {object} */ data) =>
    awsFrame({ ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, JSON.stringify(data));
  const chunks = [
    frame('messageStart', { role: 'assistant' }),
    frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: `Hello ${SECRET}` } }),
    frame('messageStop', { stopReason: 'end_turn' }),
    frame('metadata', { usage: CONVERSE, metrics: { latencyMs: 5 } }),
  ];
  return { status: 200, headers: { 'content-type': 'application/vnd.amazon.eventstream' }, chunks };
}
