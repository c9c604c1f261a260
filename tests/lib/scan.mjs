// @ts-check
/** Finds secrets in whatever was written: as they are, in other letter case, URL-encoded, in hex, in base64; in files, in SQLite, gzip and Parquet. */
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { python } from './sage.mjs';

const PREFIX_BYTES = 4;

/** By its first three bytes: two alone begin one key of 65,536, too. @param {Uint8Array} bytes */
const isGzip = (bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;

/** Every form of a text that the scan knows, in lower case. @param {string} secret */
function forms(secret) {
  const bytes = Buffer.from(secret);
  const found = new Set([secret, encodeURIComponent(secret), encodeURIComponent(secret).replaceAll('%20', '+'), JSON.stringify(secret).slice(1, -1), bytes.toString('hex')]);
  found.add(Buffer.from(secret, 'utf16le').toString('latin1'));
  for (let offset = 0; offset < 3; offset++) {
    // Base64 of the secret inside longer text, in each of the three alignments: only the characters it alone decides.
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64').replaceAll('=', '');
    const inner = padded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    found.add(inner);
    found.add(inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...found].map((form) => lower(Buffer.from(form, form.includes('\0') ? 'latin1' : 'utf8')));
}

/** ASCII letters in lower case. @param {Uint8Array} bytes */
function lower(bytes) {
  const copy = Buffer.from(bytes);
  for (let i = 0; i < copy.length; i++) if (copy[i] >= 65 && copy[i] <= 90) copy[i] += 32;
  return copy;
}

/**
 * A scanner for these secrets.
 * @param {Iterable<string>} secrets Of eight bytes or more.
 */
export function scanner(secrets) {
  /** @type {Map<number, { form: Buffer, secret: string }[]>} */
  const byPrefix = new Map();
  for (const secret of secrets) {
    if (Buffer.byteLength(secret) < 8) throw new Error('a secret is too short to be told from chance');
    for (const form of forms(secret)) {
      const prefix = form.readUInt32LE(0);
      byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), { form, secret }]);
    }
  }
  /** The secrets in these bytes, each with its surroundings. @param {Uint8Array | string} content @param {string} where */
  return function scan(content, where) {
    const hay = lower(typeof content === 'string' ? Buffer.from(content) : content);
    /** @type {Map<string, { secret: string, where: string, around: string }>} */
    const found = new Map();
    for (let at = 0; at + PREFIX_BYTES <= hay.length; at++) {
      const known = byPrefix.get(hay.readUInt32LE(at));
      if (!known) continue;
      for (const { form, secret } of known) {
        if (hay.compare(form, 0, form.length, at, Math.min(at + form.length, hay.length)) !== 0 || found.has(secret)) continue;
        found.set(secret, { secret, where, around: hay.subarray(Math.max(0, at - 80), at + form.length + 40).toString('latin1') });
      }
    }
    return [...found.values()];
  };
}

/**
 * Scans every file under a folder: its bytes, and what they hold when they are SQLite, gzip or Parquet.
 * @param {string} folder
 * @param {ReturnType<typeof scanner>} scan
 */
export async function scanFolder(folder, scan) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  /** @type {ReturnType<typeof scan>} */
  const found = [];
  const kinds = { files: files.length, bytes: 0, sqlite: 0, gzip: 0, parquet: 0 };
  /** @type {string[]} */
  const parquet = [];
  for (const file of files) {
    const name = relative(folder, file);
    const bytes = await readFile(file);
    kinds.bytes += bytes.length;
    found.push(...scan(bytes, name), ...scan(name, `the name of ${name}`));
    if (bytes.subarray(0, 15).toString('latin1') === 'SQLite format 3') {
      kinds.sqlite++;
      found.push(...scan(await dumpSqlite(file), `${name} (rows)`));
    } else if (isGzip(bytes)) {
      kinds.gzip++;
      found.push(...scan(gunzipSync(bytes), `${name} (inflated)`));
    } else if (bytes.subarray(0, 4).toString('latin1') === 'PAR1') {
      parquet.push(file);
    }
  }
  if (parquet.length) {
    kinds.parquet = parquet.length;
    const texts = await python('oracle/parquet_dump.py', parquet);
    texts.forEach((/** @type {string} */ text, /** @type {number} */ n) => found.push(...scan(text, `${relative(folder, parquet[n])} (rows)`)));
  }
  return { found, kinds };
}

/** Every value of every table, of a copy with its write-ahead log: long values are cut into pages in the file. @param {string} file */
async function dumpSqlite(file) {
  const { DatabaseSync } = await import('node:sqlite');
  const folder = await mkdtemp(join(tmpdir(), 'sage-scan-'));
  try {
    for (const suffix of ['', '-wal']) await cp(file + suffix, join(folder, basename(file) + suffix)).catch(() => {});
    const database = new DatabaseSync(join(folder, basename(file)));
    /** @type {Buffer[]} */
    const parts = [];
    for (const { name } of database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()) {
      const rows = database.prepare(`SELECT * FROM "${name}"`);
      rows.setReadBigInts(true);
      for (const row of rows.all()) {
        for (const value of Object.values(row)) {
          const bytes = value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
          parts.push(bytes, Buffer.from('\n'));
          if (isGzip(bytes)) parts.push(gunzipSync(bytes));
        }
      }
    }
    database.close();
    return Buffer.concat(parts);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
