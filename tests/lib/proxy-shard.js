// Stands before a Shard: keeps what is appended to it, and fails or hangs as it is told to; all else passes.
import { DurableObject } from 'cloudflare:workers';

const NAME = 'shard-000';

export class StandIn extends DurableObject {
  appended = [];
  failures = 0;
  hangs = false;

  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/appended') return Response.json(this.appended);
    if (pathname === '/tell') {
      this.failures = Number(searchParams.get('fail') ?? 0);
      this.hangs = searchParams.has('hang');
      return new Response('ok');
    }
    const body = await request.arrayBuffer();
    if (pathname === '/append') {
      if (this.failures > 0) {
        this.failures -= 1;
        return new Response('told to fail', { status: 503 });
      }
      if (this.hangs) await new Promise((resolve) => setTimeout(resolve, 60_000));
      // A character a byte; what a decoder calls Latin-1 is not.
      this.appended.push(Array.from(new Uint8Array(body), (byte) => String.fromCharCode(byte)).join(''));
    }
    const real = this.env.REAL.get(this.env.REAL.idFromName(NAME));
    return real.fetch(request.url, { method: request.method, headers: request.headers, body });
  }
}

export default {
  fetch: (request, env) => env.STAND_IN.get(env.STAND_IN.idFromName(NAME)).fetch(request),
};
