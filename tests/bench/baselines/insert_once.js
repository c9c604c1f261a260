// Intake that stores an event once: a Durable Object that inserts a row per event, keyed by its id.
import { DurableObject } from 'cloudflare:workers';

export class Events extends DurableObject {
  constructor(state, env) {
    super(state, env);
    this.sql = state.storage.sql;
    this.sql.exec('CREATE TABLE IF NOT EXISTS events(id TEXT PRIMARY KEY, ts TEXT NOT NULL, body TEXT NOT NULL)');
  }

  async fetch(request) {
    const events = await request.json();
    for (const event of events) {
      this.sql.exec('INSERT OR IGNORE INTO events(id, ts, body) VALUES (?, ?, ?)', event.id, event.ts, JSON.stringify(event));
    }
    return Response.json({ stored: events.length });
  }
}

export default {
  fetch: (request, env) => env.EVENTS.get(env.EVENTS.idFromName('all')).fetch(request),
};
