// @ts-check
/** The demo chat app: a page, a chat that streams, a thumb. A fixture to stand behind Sage; its replies are canned. */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

import { streamReply } from './chat.mjs';
import { MODELS } from './replies.mjs';
import { createReporter } from './reporter.mjs';
import { SAGE_URL_DEFAULT, findIngestKey, findPublicKey } from './settings.mjs';
import { USERS } from './users.mjs';

const BODY_BYTES_MAX = 16 * 1024;
const MESSAGE_CHARS_MAX = 2000;
const CONVERSATIONS_MAX = 10_000;
const TOKEN_MS = 25;
/** Longer than a reverse proxy keeps a connection idle; otherwise it may send a request into one that is just closing. */
const KEEP_ALIVE_MS = 75_000;

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
};

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {{ body: Buffer, etag: string, type: string, cache: string }} Asset */

/** Read once: what is neither in this list nor the page cannot be asked for. @type {Map<string, Asset>} */
const ASSETS = new Map([
  ['/app.js', asset('app.js', 'text/javascript; charset=utf-8', 'public, max-age=300, must-revalidate')],
  ['/style.css', asset('style.css', 'text/css; charset=utf-8', 'public, max-age=300, must-revalidate')],
  ['/icon.svg', asset('icon.svg', 'image/svg+xml', 'public, max-age=86400')],
]);

/** A request that cannot be served, with the status that says so. */
class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Record<string, string>} [headers]
   */
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/**
 * Starts the app on the loopback interface. Port 0 takes a free one.
 * @param {{ port?: number, sageUrl?: string, ingestKey?: string, publicKey?: string, log?: (line: string) => void, tokenMs?: number, backoffMs?: number }} [options]
 * @returns {Promise<{ port: number, close: () => Promise<void> }>}
 */
export async function startDemoApp({ port = 8788, sageUrl = SAGE_URL_DEFAULT, ingestKey, publicKey, log = () => {}, tokenMs = TOKEN_MS, backoffMs } = {}) {
  const reporter = createReporter({ sageUrl, ingestKey, log, backoffMs });
  const page = asset('index.html', 'text/html; charset=utf-8', 'no-cache', (html) => withSnippet(html, publicKey));
  /** Models that answered, by turn, of each conversation; the oldest conversation goes first. @type {Map<string, string[]>} */
  const conversations = new Map();
  /** @type {Set<Promise<void>>} */
  const streaming = new Set();

  /**
   * Takes the next turn of a conversation.
   * @param {string} key
   * @param {string} model
   */
  function nextTurn(key, model) {
    const turns = conversations.get(key) ?? [];
    conversations.delete(key);
    conversations.set(key, turns);
    for (const oldest of conversations.keys()) {
      if (conversations.size <= CONVERSATIONS_MAX) break;
      conversations.delete(oldest);
    }
    return turns.push(model) - 1;
  }

  /** @type {Record<string, Partial<Record<string, (request: IncomingMessage, response: ServerResponse) => void | Promise<void>>>>} */
  const routes = {
    '/healthz': { GET: (_, response) => sendJson(response, 200, { ok: true }) },
    '/api/models': { GET: (_, response) => sendJson(response, 200, { models: MODELS }) },
    '/api/users': { GET: (_, response) => sendJson(response, 200, { users: USERS.map(({ id, name, plan, guest }) => ({ id, name, plan, guest })) }) },
    '/api/chat': {
      async POST(request, response) {
        const body = await readJson(request);
        const user = userOf(body);
        const conversation = conversationOf(body);
        const model = MODELS.find(({ id }) => id === body.model) ?? refuse(400, '`model` must be one of /api/models');
        const message = typeof body.message === 'string' ? body.message.trim() : '';
        if (!message || message.length > MESSAGE_CHARS_MAX) refuse(400, `\`message\` must be a text of 1 to ${MESSAGE_CHARS_MAX} characters`);
        const turnIndex = nextTurn(`${user.id} ${conversation}`, model.id);
        const streamed = streamReply({ user, conversation, turnIndex, model, message }, response, tokenMs).then(reporter.report);
        const settled = streamed.then(() => {}, () => {}).finally(() => streaming.delete(settled));
        streaming.add(settled);
        await streamed;
      },
    },
    '/api/feedback': {
      async POST(request, response) {
        const body = await readJson(request);
        const user = userOf(body);
        const conversation = conversationOf(body);
        const { rating, turn_index: turnIndex } = body;
        if (rating !== 'up' && rating !== 'down') refuse(400, '`rating` must be "up" or "down"');
        const turns = conversations.get(`${user.id} ${conversation}`) ?? [];
        if (typeof turnIndex !== 'number' || !Object.hasOwn(turns, turnIndex)) refuse(404, 'there is no such turn in this conversation');
        reporter.report({
          type: 'feedback',
          id: randomUUID(),
          ts: new Date().toISOString(),
          user_id: user.id,
          conversation_id: conversation,
          turn_index: turnIndex,
          rating,
          model: turns[/** @type {number} */ (turnIndex)],
        });
        sendJson(response, 202, { accepted: true });
      },
    },
  };

  /**
   * @param {IncomingMessage} request
   * @param {ServerResponse} response
   */
  async function handle(request, response) {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    const path = (request.url ?? '/').split('?', 1)[0];
    const method = request.method === 'HEAD' ? 'GET' : request.method ?? 'GET';
    const file = path === '/' ? page : ASSETS.get(path);
    if (file && method === 'GET') return sendAsset(request, response, file);
    const route = file ? { GET: () => {} } : Object.hasOwn(routes, path) ? routes[path] : refuse(404, 'nothing here');
    const handler = Object.hasOwn(route, method) ? route[method] : undefined;
    if (!handler) {
      const allow = Object.keys(route).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name])).join(', ');
      throw new Refusal(405, `use ${allow}`, { allow });
    }
    await handler(request, response);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      if (response.headersSent) {
        log(`stream broken off, ${error?.name ?? 'error'}`);
        response.destroy();
        return;
      }
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'something broke in the demo');
      if (refusal !== error) log(`request failed, ${error?.name ?? 'error'}`);
      for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
      sendJson(response, refusal.status, { status: refusal.status, title: refusal.message }, 'application/problem+json');
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = KEEP_ALIVE_MS + 1000;

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, ...streaming]);
      await reporter.close();
    },
  };
}

/**
 * @param {number} status
 * @param {string} message
 * @returns {never}
 */
function refuse(status, message) {
  throw new Refusal(status, message);
}

/**
 * @param {Record<string, unknown>} body
 * @returns {import('./users.mjs').DemoUser}
 */
function userOf(body) {
  return USERS.find(({ id }) => id === body.user) ?? refuse(400, '`user` must be one of /api/users');
}

/**
 * @param {Record<string, unknown>} body
 * @returns {string}
 */
function conversationOf({ conversation }) {
  if (typeof conversation === 'string' && /^[\w-]{1,64}$/.test(conversation)) return conversation;
  return refuse(400, '`conversation` must have 1 to 64 letters, digits, - or _');
}

/**
 * @param {IncomingMessage} request
 * @returns {Promise<Record<string, unknown>>}
 */
async function readJson(request) {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) refuse(415, 'send application/json');
  /** @type {Buffer[]} */
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal(413, `at most ${BODY_BYTES_MAX} bytes`, { connection: 'close' });
    chunks.push(chunk);
  }
  let body;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    refuse(400, 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) refuse(400, 'the body must be a JSON object');
  return body;
}

/**
 * @param {ServerResponse} response
 * @param {number} status
 * @param {unknown} value
 * @param {string} [type]
 */
function sendJson(response, status, value, type = 'application/json') {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'content-length': body.length }).end(body);
}

/**
 * @param {IncomingMessage} request
 * @param {ServerResponse} response
 * @param {Asset} file
 */
function sendAsset(request, response, { body, etag, type, cache }) {
  const known = (request.headers['if-none-match'] ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
  if (known) {
    response.writeHead(304, { etag, 'cache-control': cache }).end();
    return;
  }
  response.writeHead(200, { 'content-type': type, 'cache-control': cache, etag, 'content-length': body.length }).end(body);
}

/**
 * The page with the key in Sage's script tag; without a key, without the tag.
 * @param {string} html
 * @param {string | undefined} key
 */
function withSnippet(html, key) {
  const safe = key?.replace(/[^\w-]/g, '');
  return html.replace(/^.*data-key="".*\n/m, (line) => (safe ? line.replace('data-key=""', `data-key="${safe}"`) : ''));
}

/**
 * @param {string} name
 * @param {string} type
 * @param {string} cache
 * @param {(text: string) => string} [change]
 * @returns {Asset}
 */
function asset(name, type, cache, change) {
  const read = readFileSync(new URL(`public/${name}`, import.meta.url));
  const body = change ? Buffer.from(change(read.toString())) : read;
  return { body, type, cache, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}

async function main() {
  const app = await startDemoApp({
    port: Number(process.env.PORT || 8788),
    sageUrl: process.env.SAGE_URL || SAGE_URL_DEFAULT,
    ingestKey: findIngestKey(),
    publicKey: findPublicKey(),
    log: (line) => console.log(`demo: ${line}`),
  });
  console.log(`demo: chat app on http://127.0.0.1:${app.port}`);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.once(signal, () => app.close().finally(() => process.exit(0)));
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`demo: cannot start: ${error.message}`);
    process.exit(1);
  });
}
