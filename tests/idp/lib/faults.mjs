// SPDX-License-Identifier: MIT
//
// Everything that can go wrong between a client and its provider, switched on by name.
//
// A fault strikes either instead of the provider's work or after it (the provider has then done
// what was asked, and only the answer suffers). Each kind has its usual side; `process` overrides.

import crypto from 'node:crypto';
import zlib from 'node:zlib';
import { pipeline } from 'node:stream/promises';

import { ENDPOINTS } from './counters.mjs';
import { checkMode, forge } from './forge.mjs';
import { HttpError } from './http-error.mjs';
import { merge } from './merge.mjs';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// A string goes out as UTF-8, or byte by byte with the encoding 'latin1'.
const bytes = (body, encoding) => Buffer.from(typeof body === 'string' ? body : JSON.stringify(body), encoding);

/** Kinds that replace the answer as a whole: fault -> answer. */
const REPLACE = {
  status: ({ status = 503, body = 'Service Unavailable\n', headers = {}, encoding }) => ({
    status,
    headers: { 'content-type': typeof body === 'string' ? 'text/plain' : JSON_TYPE['content-type'], ...headers },
    body: bytes(body, encoding),
  }),
  json_error: ({ status = 400, error = 'server_error', error_description: description, body = {}, headers = {} }) => ({
    status, headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ error, error_description: description, ...body }),
  }),
  garbage: ({ status = 200, bytes: size = 256 }) => ({ status, headers: JSON_TYPE, body: crypto.randomBytes(size) }),
  gzip: ({ status = 200, bytes: size = 64 << 20 }) => ({
    status, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: zlib.gzipSync(Buffer.alloc(size, 0x20)),
  }),
  html: ({ status = 200, body = '<!DOCTYPE html><html><body><h1>Please log in to the network</h1></body></html>' }) => ({
    status, headers: { 'content-type': 'text/html; charset=utf-8' }, body,
  }),
  empty: ({ status = 200, headers = {} }) => ({ status, headers, body: '' }),
  redirect: ({ status = 302, location = '/elsewhere', headers = {} }) => ({
    status, headers: { location, ...headers }, body: '',
  }),
  deep: ({ status = 200, depth = 100000 }) => ({
    status, headers: JSON_TYPE, body: `{"access_token":${'['.repeat(depth)}${']'.repeat(depth)}}`,
  }),
  headers: ({ status = 200, bytes: size = 1 << 20 }) => ({
    status,
    headers: { ...JSON_TYPE, ...Object.fromEntries(Array.from({ length: size >> 10 }, (_, i) => [`x-padding-${i}`, 'x'.repeat(1000)])) },
    body: '{}',
  }),
};

/** Kinds that do something to the connection: (fault, res, answer) -> nothing. */
const WIRE = {
  hang() {},
  cut: (_, res) => res.socket.destroy(),
  cut_after: (_, res) => res.socket.destroy(),
  reset: (_, res) => (res.socket.resetAndDestroy ? res.socket.resetAndDestroy() : res.socket.destroy()),
  raw({ body = 'not HTTP at all\r\n\r\n', encoding, repeat = 1, open = false }, res) {
    const answer = Buffer.concat(Array.from({ length: repeat }, () => bytes(body, encoding)));
    res.socket.write(answer);
    if (!open) res.socket.destroySoon(); // and hears nothing more, either
  },
  truncated(_, res, answer) {
    const body = Buffer.from(answer.body);
    res.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
    res.write(body.subarray(0, body.length >> 1), () => res.socket.destroy());
  },
  async slow({ delay_ms: delay = 100, chunk = 16 }, res, answer) {
    const body = Buffer.from(answer.body);
    res.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
    for (let i = 0; i < body.length && !res.destroyed; i += chunk) {
      res.write(body.subarray(i, i + chunk));
      await pause(delay);
    }
    res.end();
  },
  async huge({ status = 200, bytes: size = 64 << 20 }, res) {
    const block = 'x'.repeat(1 << 16);
    res.writeHead(status, JSON_TYPE);
    await pipeline(function* flood() {
      yield '{"access_token":"';
      for (let sent = 0; sent < size; sent += block.length) yield block;
      yield '"}';
    }, res).catch(() => {});
  },
};

/** Kinds that change the provider's own answer: (fault, answer, context) -> answer. */
const CHANGE = {
  tamper({ patch = {}, status, headers = {} }, answer) {
    return { status: status ?? answer.status, headers: { ...answer.headers, ...headers }, body: JSON.stringify(merge(JSON.parse(answer.body), patch)) };
  },
  id_token(fault, answer, { keys }) {
    const body = JSON.parse(answer.body);
    if (typeof body.id_token !== 'string') return answer;
    return { ...answer, body: JSON.stringify({ ...body, id_token: forge(body.id_token, fault.mode, fault, keys) }) };
  },
  async delay({ delay_ms: delay = 1000 }, answer) {
    await pause(delay);
    return answer;
  },
};

const PROCESSED = new Set(['cut_after', 'truncated', 'slow', ...Object.keys(CHANGE)]);
const PLACES = ['*', 'token', ...ENDPOINTS.filter((name) => name !== 'page')];
const KINDS = [...Object.keys(REPLACE), ...Object.keys(WIRE), ...Object.keys(CHANGE)];

export class Faults {
  #active = [];

  add(fault) {
    const { endpoint = '*', kind, count = 1 } = fault;
    if (!KINDS.includes(kind)) throw new HttpError(400, `unknown kind ${kind}; there are: ${KINDS.join(' ')}`);
    if (!PLACES.includes(endpoint)) {
      throw new HttpError(400, `no faults for endpoint ${endpoint}; there are: ${PLACES.join(' ')}`);
    }
    if (kind === 'id_token') checkMode(fault.mode);
    this.#active.push({ process: PROCESSED.has(kind), skip: 0, ...fault, endpoint, count });
  }

  /** All of them, or those for one login. */
  clear(login) {
    this.#active = this.#active.filter((fault) => login !== undefined && fault.login !== login);
  }

  toJSON() {
    return this.#active.filter((fault) => fault.count !== 0);
  }

  /** The fault that strikes this request, if one does; uses up one of its strikes. */
  take({
    endpoint, client_id: client, login, query,
  }) {
    const fits = (f) => f.count !== 0
      && (f.endpoint === '*' || f.endpoint === endpoint || (f.endpoint === 'token' && endpoint.startsWith('token_')))
      && (f.client_id ?? client) === client && (f.login ?? login) === login && (f.query ?? query) === query;
    const fault = this.#active.find(fits);
    if (!fault) return undefined;
    if (fault.skip > 0) {
      fault.skip -= 1;
      return undefined;
    }
    if (fault.count > 0) fault.count -= 1;
    return fault;
  }

  /** The answer as the fault leaves it; undefined where the fault has dealt with the connection. */
  async strike(fault, res, answer, context) {
    if (REPLACE[fault.kind]) return REPLACE[fault.kind](fault);
    if (CHANGE[fault.kind]) return answer.status < 400 || fault.kind !== 'id_token' ? CHANGE[fault.kind](fault, answer, context) : answer;
    await WIRE[fault.kind](fault, res, answer);
    return undefined;
  }
}
