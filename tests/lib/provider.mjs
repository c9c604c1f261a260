// @ts-check
/**
 * Model providers on 127.0.0.1: replies of the shapes that their documentation shows, always the same for the same request,
 * so that what passes through Sage can be held against what comes straight from here.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, gzipSync } from 'node:zlib';

/** Text that no one may find in anything stored. */
export const SECRET = 'completion-secret-7d1f';

/** @typedef {{ method?: string, url: string, headers: import('node:http').IncomingHttpHeaders, body: string, reply: Answer }} Seen */

/**
 * Starts the providers. `pauseMs`: between two chunks of a stream. `own`: a reply that goes before those of this file.
 *
 * What the name of a model begins with decides how it goes: `error-429-` with that status, `flaky-` with two 429s before the
 * reply, `gone` with no reply, `zipped-` compressed without being asked; one that ends in `-broken` breaks off. What is asked
 * `times 7` costs seven times as much.
 * @param {{ pauseMs?: number, own?: (seen: Omit<Seen, 'reply'>) => Answer | undefined }} [options]
 */
export async function startProvider({ pauseMs = 0, own = () => undefined } = {}) {
  /** @type {Seen[]} */ const seen = [];
  let hungUp = 0;
  let streaming = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const url = request.url ?? '/';
    const asked = { method: request.method, url, headers: request.headers, body };
    const reply = own(asked) ?? answer(url, body, request.headers);
    seen.push({ ...asked, reply });
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

/**
 * What a reply says of its cost, as the reference package reads it.
 * @typedef {{ flavor: string, body: { model: string, usage: object }, context?: Record<string, string> }} Told
 * @typedef {{ status: number, headers: Record<string, string | string[]>, body?: string | Buffer, chunks?: (string | Buffer)[], breaksOff?: boolean, told?: Told }} Answer
 */

/** Headers that providers' replies have. @param {string} type @returns {Record<string, string | string[]>} */
const headed = (type) => ({
  'content-type': type, 'x-request-id': 'req_1', 'request-id': 'req_1', 'openai-processing-ms': '17', 'openai-version': '2020-10-01', 'x-ratelimit-remaining-requests': '9999',
  'anthropic-ratelimit-tokens-remaining': '79000', 'strict-transport-security': 'max-age=31536000', 'set-cookie': ['__cf_bm=a; Path=/; HttpOnly', '_cfuvid=b; Path=/'],
});
const STREAM = 'text/event-stream; charset=utf-8';
/** @param {object} body @param {Told} [told] @returns {Answer} */
const whole = (body, told) => ({ status: 200, headers: headed('application/json'), body: JSON.stringify(body), told });
/** An event of a stream, by its name where it has one. @param {any} data */
const event = (data) => `${data.type ? `event: ${data.type}\n` : ''}data: ${JSON.stringify(data)}\n\n`;

/** @param {string} url @param {string} body @param {import('node:http').IncomingHttpHeaders} headers @returns {Answer} */
function answer(url, body, headers) {
  /** @type {any} */ let asked = {};
  try {
    asked = JSON.parse(body || '{}');
  } catch {}
  const path = url.split('?')[0] ?? '';
  const model = String(asked.model ?? decodeURIComponent(path.match(/\/models?\/([^/:]+(?::0)?)/)?.[1] ?? ''));
  const attempt = Number(headers['x-stainless-retry-count'] ?? 0);
  if (model.startsWith('error-')) return failed(Number(model.slice(6, 9)), path, headers);
  if (model.startsWith('flaky-') && attempt < 2) return failed(429, path, headers);
  if (model.startsWith('gone')) return { status: 0, headers: {} };
  const name = model.replace(/^(flaky|zipped)-/, '').replace(/-broken$/, '');
  const reply = replied(url, path, name, asked, headers, model.endsWith('-broken'));
  if (!model.startsWith('zipped-')) return reply;
  const bytes = gzipSync(reply.body ?? reply.chunks?.map(String).join('') ?? '');
  return { ...reply, headers: { ...reply.headers, 'content-encoding': 'gzip' }, ...(reply.chunks ? { chunks: [bytes.subarray(0, 40), bytes.subarray(40)] } : { body: bytes }) };
}

/** @param {number} status @param {string} path @param {import('node:http').IncomingHttpHeaders} headers @returns {Answer} */
function failed(status, path, headers) {
  const message = `quoting ${SECRET} of ${headers.authorization ?? headers['x-api-key']}`;
  /** @type {Record<number, string[]>} */
  const codes = { 401: ['invalid_request_error', 'invalid_api_key', 'authentication_error'], 500: ['server_error', 'server_error', 'api_error'] };
  const [type, code, ofAnthropic] = codes[status] ?? ['rate_limit_error', 'rate_limit_exceeded', 'rate_limit_error'];
  const body = path.endsWith('/messages') ? { type: 'error', error: { type: ofAnthropic, message }, request_id: 'req_1' } : { error: { message, type, param: null, code } };
  return { ...whole(body), status, headers: { ...headed('application/json'), 'retry-after-ms': '5' } };
}

/** @param {string} url @param {string} path @param {string} name @param {any} asked @param {import('node:http').IncomingHttpHeaders} headers @param {boolean} breaksOff @returns {Answer} */
function replied(url, path, name, asked, headers, breaksOff) {
  // The same for the same question, another for another.
  const mark = createHash('sha256').update(JSON.stringify([path, name, asked.messages ?? asked.input ?? null])).digest('hex');
  const times = Number(/ times (\d+)/.exec(JSON.stringify([asked.messages, asked.input]))?.[1] ?? 1);
  const counted = (/** @type {object} */ usage) => JSON.parse(JSON.stringify(usage), (_, count) => (typeof count === 'number' ? count * times : count));
  if (path.endsWith('/chat/completions')) return chat(name, asked, mark, breaksOff, counted(CHAT));
  if (path.endsWith('/responses')) return responses(name, asked, mark, counted(RESPONSES));
  if (path.endsWith('/messages')) return messages(name, asked, mark, breaksOff, counted(CLAUDE));
  if (path.endsWith('/embeddings')) return embeddings(name, asked);
  if (path.includes(':generateContent')) return whole(gemini(name, SECRET, true));
  if (path.includes(':streamGenerateContent')) {
    const parts = ['Hello ', SECRET, ''].map((text, at) => gemini(name, text, at === 2));
    return url.includes('alt=sse')
      ? { status: 200, headers: { 'content-type': 'text/event-stream' }, chunks: parts.map((part) => `data: ${JSON.stringify(part)}\r\n\r\n`) }
      : { status: 200, headers: headed('application/json'), chunks: [`[${JSON.stringify(parts[0])}`, `,\r\n${JSON.stringify(parts[1])}`, `,\r\n${JSON.stringify(parts[2])}`, ']'] };
  }
  if (path.endsWith('/converse')) return whole({ output: { message: { role: 'assistant', content: [{ text: SECRET }] } }, stopReason: 'end_turn', usage: CONVERSE, metrics: { latencyMs: 5 } });
  if (path.endsWith('/converse-stream')) return converseStream();
  if (path.endsWith('/messages/count_tokens')) return whole({ input_tokens: 1200 });
  if (path.endsWith('/models')) return whole({ object: 'list', data: [{ id: 'gpt-4o', object: 'model', created: 1763750000, owned_by: 'system' }], accept: headers.accept ?? null });
  return { ...whole({ error: { message: 'no such route', type: 'not_found', code: null } }), status: 404 };
}

export const CHAT = { prompt_tokens: 1200, completion_tokens: 340, total_tokens: 1540, prompt_tokens_details: { cached_tokens: 200, audio_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } };
export const RESPONSES = { input_tokens: 1200, input_tokens_details: { cached_tokens: 200 }, output_tokens: 340, output_tokens_details: { reasoning_tokens: 40 }, total_tokens: 1540 };
export const CLAUDE = { input_tokens: 700, cache_creation_input_tokens: 300, cache_read_input_tokens: 200, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 }, output_tokens: 340, service_tier: 'standard' };
export const GEMINI = { promptTokenCount: 1200, candidatesTokenCount: 300, thoughtsTokenCount: 40, totalTokenCount: 1540, cachedContentTokenCount: 200 };
export const CONVERSE = { inputTokens: 1000, outputTokens: 340, totalTokens: 1540, cacheReadInputTokens: 200, cacheWriteInputTokens: 0 };

/** What a model that may call tools calls, once. */
const CALL = { name: 'weather', arguments: JSON.stringify({ place: `Paris ${SECRET}` }) };
/** @param {any} asked */
const calls = (asked) => Boolean(asked.tools) && !JSON.stringify(asked.messages ?? asked.input).match(/"tool"|tool_result|function_call_output/);

/** @param {string} model @param {any} asked @param {string} mark @param {boolean} breaksOff @param {object} usage @returns {Answer} */
function chat(model, asked, mark, breaksOff, usage) {
  const tier = asked.service_tier ?? 'default';
  const base = { id: `chatcmpl-${mark.slice(0, 29)}`, created: 1763750000, model, service_tier: tier, system_fingerprint: 'fp_1' };
  const told = { flavor: 'chat', body: { model, usage }, context: { service_tier: tier } };
  const call = { id: `call_${mark.slice(0, 24)}`, type: 'function', function: CALL };
  const [content, end] = calls(asked) ? [null, 'tool_calls'] : [`Hello ${SECRET}`, 'stop'];
  if (!asked.stream) {
    const message = { role: 'assistant', content, refusal: null, ...(content === null ? { tool_calls: [call] } : {}) };
    return whole({ ...base, object: 'chat.completion', choices: [{ index: 0, message, logprobs: null, finish_reason: end }], usage }, told);
  }
  const tells = asked.stream_options?.include_usage === true;
  const chunk = (/** @type {object} */ delta, /** @type {string | null} */ finish_reason = null) =>
    event({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, logprobs: null, finish_reason }], ...(tells ? { usage: null } : {}), obfuscation: 'xyz' });
  const half = CALL.arguments.length / 2;
  const parts = content === null
    ? [{ tool_calls: [{ index: 0, ...call, function: { ...CALL, arguments: '' } }] }, ...[[0, half], [half]].map(([from, to]) => ({ tool_calls: [{ index: 0, function: { arguments: CALL.arguments.slice(from, to) } }] }))]
    : ['Hel', 'lo ', SECRET, ' – “usage”: null, é'].map((text) => ({ content: text }));
  const chunks = [chunk({ role: 'assistant', content: content && '' }), ...parts.map((delta) => chunk(delta))];
  if (!breaksOff) {
    chunks.push(chunk({}, end));
    if (tells) chunks.push(event({ ...base, object: 'chat.completion.chunk', choices: [], usage }));
    chunks.push('data: [DONE]\n\n');
  }
  return { status: 200, headers: headed(STREAM), chunks, breaksOff, ...(breaksOff ? {} : { told }) };
}

/** @param {string} model @param {any} asked @returns {Answer} */
function embeddings(model, asked) {
  const numbers = [0.25, -0.5, 0.125];
  const embedding = asked.encoding_format === 'base64' ? Buffer.from(new Float32Array(numbers).buffer).toString('base64') : numbers;
  const usage = { prompt_tokens: 1000, total_tokens: 1000 };
  return whole({ object: 'list', model, data: [{ object: 'embedding', index: 0, embedding }], usage }, { flavor: 'embeddings', body: { model, usage } });
}

/** @param {string} model @param {any} asked @param {string} mark @param {object} usage @returns {Answer} */
function responses(model, asked, mark, usage) {
  const item = calls(asked)
    ? { id: `fc_${mark.slice(0, 48)}`, type: 'function_call', status: 'completed', call_id: `call_${mark.slice(0, 24)}`, ...CALL }
    : { id: `msg_${mark.slice(0, 48)}`, type: 'message', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: `Hello ${SECRET}`, annotations: [], logprobs: [] }] };
  const reply = {
    id: `resp_${mark.slice(0, 48)}`, object: 'response', created_at: 1763750000, status: 'completed', model, service_tier: 'default', error: null, output: [item],
    parallel_tool_calls: true, tool_choice: 'auto', tools: [], usage, metadata: {}, incomplete_details: null, instructions: null, temperature: 1, top_p: 1,
  };
  const told = { flavor: 'responses', body: { model, usage }, context: { service_tier: 'default' } };
  if (!asked.stream) return whole(reply, told);
  const next = (/** @type {string} */ type, /** @type {object} */ data) => ({ type, ...data });
  const started = { ...reply, status: 'in_progress', output: [], usage: null };
  const at = { item_id: item.id, output_index: 0 };
  const spoken = item.type === 'message'
    ? [
      next('response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', content: [] } }),
      next('response.content_part.added', { ...at, content_index: 0, part: { type: 'output_text', text: '', annotations: [], logprobs: [] } }),
      ...['Hello ', SECRET].map((delta) => next('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] })),
      next('response.output_text.done', { ...at, content_index: 0, text: `Hello ${SECRET}`, logprobs: [] }),
      next('response.content_part.done', { ...at, content_index: 0, part: { type: 'output_text', text: `Hello ${SECRET}`, annotations: [], logprobs: [] } }),
    ]
    : [
      next('response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', arguments: '' } }),
      next('response.function_call_arguments.delta', { ...at, delta: CALL.arguments }),
      next('response.function_call_arguments.done', { ...at, name: CALL.name, arguments: CALL.arguments }),
    ];
  const chunks = [
    next('response.created', { response: started }), next('response.in_progress', { response: started }),
    ...spoken, next('response.output_item.done', { output_index: 0, item }), next('response.completed', { response: reply }),
  ].map((data, sequence_number) => event({ ...data, sequence_number }));
  return { status: 200, headers: headed(STREAM), chunks, told };
}

/** @param {string} model @param {any} asked @param {string} mark @param {boolean} breaksOff @param {any} usage @returns {Answer} */
function messages(model, asked, mark, breaksOff, usage) {
  const base = { id: `msg_01${mark.slice(0, 22)}`, type: 'message', role: 'assistant', model };
  const [block, stop_reason] = calls(asked)
    ? [{ type: 'tool_use', id: `toolu_01${mark.slice(0, 22)}`, name: CALL.name, input: JSON.parse(CALL.arguments) }, 'tool_use']
    : [{ type: 'text', text: `Hello ${SECRET}` }, 'end_turn'];
  const told = { flavor: 'default', body: { model, usage } };
  if (!asked.stream) return whole({ ...base, content: [block], stop_reason, stop_sequence: null, usage }, told);
  const [begins, deltas] = block.type === 'text'
    ? [{ type: 'text', text: '' }, ['Hello ', SECRET].map((text) => ({ type: 'text_delta', text }))]
    : [{ ...block, input: {} }, ['', CALL.arguments].map((partial_json) => ({ type: 'input_json_delta', partial_json }))];
  const chunks = [
    event({ type: 'message_start', message: { ...base, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } } }),
    event({ type: 'content_block_start', index: 0, content_block: begins }),
    event({ type: 'ping' }),
    ...deltas.map((delta) => event({ type: 'content_block_delta', index: 0, delta })),
  ];
  if (!breaksOff) {
    chunks.push(
      event({ type: 'content_block_stop', index: 0 }),
      event({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: usage.output_tokens } }),
      event({ type: 'message_stop' }),
    );
  }
  // Of a reply that breaks off the start's counts are known.
  return { status: 200, headers: headed(STREAM), chunks, breaksOff, told: breaksOff ? { ...told, body: { model, usage: { ...usage, output_tokens: 1 } } } : told };
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
