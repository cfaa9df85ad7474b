// SPDX-License-Identifier: MIT
//
// Stands before the provider: names each request, counts it, minds the polling interval, lets
// faults strike, and answers for the little resource server.

import { DEVICE_GRANT } from './clients.mjs';
import { certificateOf, MTLS_PREFIX } from './idp.mjs';
import { decode } from './keys.mjs';
import { wallClock } from './settings.mjs';

const PATHS = {
  '/.well-known/openid-configuration': 'discovery',
  '/.well-known/oauth-authorization-server': 'discovery',
  '/jwks': 'jwks',
  '/device/auth': 'device_authorization',
  '/token': 'token_other',
  '/token/revocation': 'revocation',
  '/token/introspection': 'introspection',
  '/me': 'userinfo',
  '/api/whoami': 'whoami',
};
const GRANTS = { [DEVICE_GRANT]: 'token_device', refresh_token: 'token_refresh' };
const BODY_LIMIT = 1 << 20;

const connections = new WeakMap();
let lastConnection = 0;

function connectionNumber(socket) {
  if (!connections.has(socket)) connections.set(socket, lastConnection += 1);
  return connections.get(socket);
}

async function readBody(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Error('request too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function clientId(req, form) {
  const [scheme, credentials] = (req.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'basic' || !credentials) return form.get('client_id') ?? undefined;
  const [id] = Buffer.from(credentials, 'base64').toString().split(':');
  return new URLSearchParams(`id=${id}`).get('id');
}

/** Header and claims of what a client proves itself with, for the record. */
function assertionOf(form) {
  try {
    const [header, claims] = form.get('client_assertion').split('.').map((part, i) => (i < 2 ? decode(part) : part));
    return { header, claims };
  } catch {
    return undefined;
  }
}

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

export class Front {
  #parts;

  constructor(parts) {
    this.#parts = parts;
  }

  async handle(req, res) {
    try {
      await this.#handle(req, res);
    } catch (error) {
      console.warn(error);
      res.socket?.destroy();
    }
  }

  async #handle(req, res) {
    const { counters } = this.#parts;
    const full = this.#route(req);
    const mtls = full?.startsWith(`${MTLS_PREFIX}/`);
    const path = mtls ? this.#unaliased(req) : full;
    const endpoint = path === undefined ? 'page' : PATHS[path] ?? 'page';
    const connection = connectionNumber(req.socket);
    if (endpoint === 'page') {
      counters.request('page', { connection, path: req.url.split('?')[0] });
      if (path === undefined) res.writeHead(404).end();
      else await this.#page(req, res);
      return;
    }

    const body = await readBody(req);
    const form = new URLSearchParams(body);
    const name = path === '/token' ? GRANTS[form.get('grant_type')] ?? endpoint : endpoint;
    req.body = body;
    req.record = counters.request(name, {
      connection,
      client_id: clientId(req, form),
      login: this.#login(name, form),
      query: req.url.split('?')[1],
      user_agent: req.headers['user-agent'],
      authorization: req.headers.authorization?.split(' ')[0],
      assertion: assertionOf(form),
      certificate: certificateOf(req)?.subject,
      mtls,
    });
    res.on('close', () => this.#closed(name, form, res));
    await this.#answer(name, req, res, form);
  }

  // The path below the issuer, which is also what the provider gets to see.
  #route(req) {
    const { path } = this.#parts;
    const [full] = req.url.split('?');
    const oauth = '/.well-known/oauth-authorization-server';
    if (path === '') return full;
    if (full === `${oauth}${path}`) {
      Object.assign(req, { originalUrl: `${path}${oauth}`, url: oauth });
      return oauth;
    }
    if (!full.startsWith(`${path}/`)) return undefined;
    req.originalUrl = req.url;
    req.url = req.url.slice(path.length);
    return full.slice(path.length);
  }

  // An endpoint for clients with a certificate, which works as the one without the prefix.
  #unaliased(req) {
    req.originalUrl = (req.originalUrl ?? req.url).replace(`${MTLS_PREFIX}/`, '/');
    req.url = req.url.slice(MTLS_PREFIX.length);
    return req.url.split('?')[0];
  }

  #login(name, form) {
    const { store } = this.#parts;
    const field = { token_refresh: 'refresh_token', token_device: 'device_code' }[name] ?? 'token';
    return store.owner(form.get(field));
  }

  #closed(name, form, res) {
    if (name === 'token_device') this.#parts.polls.answered(form.get('device_code'), res.oauthError);
  }

  async #answer(name, req, res, form) {
    const {
      idp, counters, faults, polls, secrets,
    } = this.#parts;
    const early = name === 'token_device' && polls.arrived(form.get('device_code'));
    const fault = faults.take(req.record);
    let answer;

    if (fault) {
      req.record.fault = fault.kind;
      counters.bump('faults');
    }
    if (early) answer = this.#json(400, { error: 'slow_down' });
    else if (!fault || fault.process) answer = await this.#process(name, req, res);
    // Also what a fault then sends in parts only.
    if (answer) secrets.note(parse(answer.body), name);
    if (fault && !early) answer = await faults.strike(fault, res, answer, { keys: idp.keys });
    if (answer) this.#send(req, res, answer);
  }

  async #process(name, req, res) {
    const { idp, settings, polls } = this.#parts;
    if (name === 'whoami') return this.#whoami(req);

    const answer = await this.#capture(req, res);
    const body = parse(answer.body);
    if (name === 'device_authorization' && answer.status === 200) {
      polls.issued(body.device_code, body.user_code);
      idp.codeIssued(body.user_code, req.record.client_id);
      if (settings.interval !== null) answer.body = JSON.stringify({ ...body, interval: settings.interval });
    }
    if (name === 'token_refresh' && answer.status === 200 && !settings.id_token_on_refresh) {
      answer.body = JSON.stringify({ ...body, id_token: undefined });
    }
    return answer;
  }

  async #whoami(req) {
    const { idp, counters } = this.#parts;
    const [scheme, token] = (req.headers.authorization ?? '').split(' ');
    const found = scheme?.toLowerCase() === 'bearer' && token ? await idp.introspect(token) : { active: false };
    const good = found.active && found.kind === 'AccessToken';
    counters.bump(good ? 'whoami_ok' : 'whoami_stale');
    if (good) return this.#json(200, found);
    return this.#json(401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  }

  #json(status, body, headers = {}) {
    return { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: JSON.stringify(body) };
  }

  // Lets the provider work and keeps what it would have sent.
  #capture(req, res) {
    const { end } = res;
    return new Promise((resolve, reject) => {
      res.end = (body = '') => {
        res.end = end;
        const headers = { ...res.getHeaders() };
        for (const name of res.getHeaderNames()) res.removeHeader(name);
        resolve({ status: res.statusCode, headers, body: body.toString() });
        return res;
      };
      // Where the client has gone, nothing is sent and the promise above stays open.
      const gone = () => reject(new Error('the client went away'));
      Promise.resolve(this.#parts.idp.callback(req, res)).then(gone, reject);
    });
  }

  #send(req, res, { status, headers, body }) {
    const { secrets } = this.#parts;
    const bytes = Buffer.from(body);
    const members = parse(body);
    res.oauthError = members?.error;
    secrets.note(members, req.record.endpoint);
    Object.assign(req.record, { status, error: res.oauthError, answered: wallClock() });
    if (res.destroyed) return;
    res.setHeader('date', new Date(Date.now()).toUTCString());
    res.writeHead(status, { ...headers, 'content-length': bytes.length });
    res.end(bytes);
  }

  // The pages for people: as they are, but without the font they would fetch from elsewhere.
  async #page(req, res) {
    const { end } = res;
    res.end = (body, ...rest) => {
      res.end = end;
      if (typeof body !== 'string') return res.end(body, ...rest);
      const page = body.replace(/@import url\([^)]*\);/g, '');
      if (!res.headersSent) res.setHeader('content-length', Buffer.byteLength(page));
      return res.end(page, ...rest);
    };
    await this.#parts.idp.callback(req, res);
  }
}
