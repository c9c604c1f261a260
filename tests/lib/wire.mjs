// @ts-check
/** A wire between a browser and Sage: passes everything on as it is, keeps what went by, and breaks when it is told to. */
import { createServer, request as httpRequest } from 'node:http';

/**
 * @typedef {{ method: string, path: string, query: URLSearchParams, headers: import('node:http').IncomingHttpHeaders, body: string }} Seen
 * What becomes of a request: it passes; its connection breaks before Sage sees it, or when Sage has answered; or a status of the wire's own.
 * @typedef {'pass' | 'cut' | 'lose the reply' | number} Fate
 */

/** @param {number} sagePort */
export async function startWire(sagePort) {
  /** @type {Seen[]} */
  const seen = [];
  /** @type {{ fate: (request: Seen) => Fate }} */
  const control = { fate: () => 'pass' };
  const server = createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      const body = Buffer.concat(chunks);
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://wire');
      const one = { method: request.method ?? '', path: pathname, query: searchParams, headers: request.headers, body: body.toString() };
      seen.push(one);
      const fate = control.fate(one);
      if (fate === 'cut') return request.socket.destroy();
      // Browsers keep what a status of the wire's own says from pages of other origins; those of Sage's own see it.
      if (typeof fate === 'number') return response.writeHead(fate, { 'retry-after': '1' }).end();
      const onward = httpRequest({ port: sagePort, host: '127.0.0.1', method: request.method, path: request.url, headers: request.headers }, (reply) => {
        if (fate === 'lose the reply') return reply.resume().on('end', () => request.socket.destroy());
        response.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end(body);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`, seen, control,
    /** Requests to the intake. */
    intake: () => seen.filter(({ path }) => path === '/sage/v1/events'),
    /** Every event that went by, each as often as it did. @returns {any[]} */
    events: () => seen.filter(({ path, method }) => path === '/sage/v1/events' && method === 'POST').flatMap(({ body }) => JSON.parse(body)),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
