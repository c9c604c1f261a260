// The most that the runtime allows: a Durable Object that keeps each body as it came, one row a request, nothing read.
import { DurableObject } from 'cloudflare:workers';

export class Bodies extends DurableObject {
  constructor(state, env) {
    super(state, env);
    this.sql = state.storage.sql;
    this.sql.exec('CREATE TABLE IF NOT EXISTS bodies(body BLOB NOT NULL)');
  }

  async fetch(request) {
    this.sql.exec('INSERT INTO bodies(body) VALUES (?)', await request.arrayBuffer());
    return Response.json({ kept: true });
  }
}

export default {
  fetch: (request, env) => env.BODIES.get(env.BODIES.idFromName('all')).fetch(request),
};
