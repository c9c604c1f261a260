// @ts-check
/** People and robots that go through the edge to the app behind, and what must be known of them afterwards. */
import { PUBLIC_KEY } from './sage.mjs';

/** @typedef {ReturnType<typeof import('./sage.mjs').seeded>} Random */
/** @typedef {{ ms: number, route: string, status: number, unreachable: boolean, bot: string | null, device: string, browser: string, os: string, country: string | null, referrer: string | null }} Asked */
/** @typedef {{ ms: number, name: string, route: string, device: string, value: number }} Vital */

/** User-Agent, then what uap-core makes of it; kind of robot. */
const AGENTS = /** @type {const} */ ([
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36', 'desktop', 'Chrome', 'Windows', null],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0', 'desktop', 'Firefox', 'Linux', null],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1', 'mobile', 'Mobile-Safari', 'iOS', null],
  ['Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36', 'mobile', 'Chrome-Mobile', 'Android', null],
  ['Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)', 'bot', '', '', 'ai_crawler'],
  ['curl/8.5.0', 'bot', '', '', 'http_library'],
]);
const PATHS = /** @type {const} */ ([['/', '/'], ['/chat', '/chat'], ['/chat/550e8400-e29b-41d4-a716-446655440000', '/chat/:id'], ['/pricing', '/pricing'], ['/missing', ':not_found'], ['/broken', '/broken'], ['/gone', '/gone']]);
const REFERRERS = /** @type {const} */ ([[null, null], [null, null], ['https://www.google.com/search?q=x', 'google.com'], ['https://mail.example.co.uk/inbox/alice', 'example.co.uk']]);
const COUNTRIES = ['NP', 'US', 'DE', 'CA', null];
const VITALS = /** @type {const} */ ([['lcp', 5_000], ['inp', 700], ['cls', 0.4], ['fcp', 4_000], ['ttfb', 2_400]]);

/** The app behind: answers by path, and breaks off. @type {import('node:http').RequestListener} */
export function app(request, response) {
  if (request.url === '/gone') return void request.socket.destroy();
  const status = request.url === '/missing' ? 404 : request.url === '/broken' ? 500 : 200;
  response.writeHead(status, { 'content-type': 'text/plain' }).end('ok');
}

/**
 * Makes requests.
 * @param {import('./sage.mjs').Sage} sage @param {Random} random @param {number} count
 * @returns {Promise<Asked[]>}
 */
export async function visitApp(sage, random, count) {
  /** @type {Asked[]} */
  const made = [];
  for (let n = 0; n < count; n++) {
    const [agent, device, browser, os, bot] = random.pick(AGENTS);
    const [path, route] = random.pick(PATHS);
    const [sent, referrer] = random.pick(REFERRERS);
    const country = random.pick(COUNTRIES);
    const reply = await sage.request(path, { headers: { 'user-agent': agent, accept: '*/*', ...(sent ? { referer: sent } : {}), ...(country ? { 'cloudfront-viewer-country': country } : {}) } });
    made.push({ ms: Date.now(), route, status: reply.status, unreachable: path === '/gone', bot, device, browser, os, country, referrer });
  }
  return made;
}

/**
 * Vitals as pages send them, by the pages' door.
 * @param {import('./sage.mjs').Sage} sage @param {Random} random @param {number} batches
 * @returns {Promise<Vital[]>}
 */
export async function sendVitals(sage, random, batches) {
  /** @type {Vital[]} */
  const sent = [];
  for (let n = 0; n < batches; n++) {
    const [agent, device] = random.pick(AGENTS.slice(0, 4));
    const events = Array.from({ length: 12 }, (_, at) => {
      const [name, most] = random.pick(VITALS);
      const value = name === 'cls' ? Math.round(random.next() * most * 1_000) / 1_000 : random.below(most);
      const [url, route] = random.pick(PATHS.slice(0, 4));
      const ms = Date.now() - 1_000 * random.below(30);
      sent.push({ ms, name, route, device, value });
      return { type: 'vital', id: `vital-${n}-${at}`, ts: new Date(ms).toISOString(), name, value, url };
    });
    const reply = await sage.request(`/sage/v1/events?key=${PUBLIC_KEY}`, {
      method: 'POST', body: JSON.stringify(events), headers: { origin: sage.url, 'content-type': 'text/plain;charset=UTF-8', 'user-agent': agent },
    });
    if (reply.status !== 200 || reply.json.stored !== events.length) throw new Error(`vitals were answered ${reply.status}: ${reply.text.slice(0, 300)}`);
  }
  return sent;
}
