// SPDX-License-Identifier: MIT
//
// The tests' way in: JSON over plain HTTP on a loopback port of its own. README.md lists the calls.

import http from 'node:http';
import { once } from 'node:events';

import { HttpError } from './http-error.mjs';

const BODY_LIMIT = 1 << 22;

function routes(parts) {
  const {
    idp, settings, store, counters, faults, polls, secrets, listener, end,
  } = parts;
  const done = {};
  return {
    'GET /counters': () => counters,
    'POST /counters/reset': () => counters.reset() ?? done,
    'POST /wait': (body) => {
      if (counters.value(body.counter) === undefined) throw new HttpError(400, `unknown counter ${body.counter}`);
      return counters.wait(body);
    },

    'GET /codes': (_, query) => idp.pendingCodes(query.has('all'))
      .map(({ device_code: code, ...rest }) => ({ ...rest, ...polls.of(code) })),
    'POST /approve': async (body) => {
      if (typeof body.login !== 'string' || body.login === '') throw new HttpError(400, 'login is missing');
      return await idp.approve(body) ?? done;
    },
    'POST /deny': async (body) => await idp.deny(body) ?? done,
    'POST /approve-next': (body) => idp.arm(body) ?? done,
    'DELETE /approve-next': () => idp.disarm() ?? done,

    'GET /config': () => settings,
    'POST /config': (body) => settings.apply(body) ?? settings,
    'DELETE /config': () => settings.reset() ?? settings,
    'POST /clients': (body) => idp.addClient(body) ?? done,
    'POST /accounts': ({ login, claims }) => idp.setAccount(login, claims) ?? done,
    'POST /keys/rotate': ({ keep_old: keep = false }) => idp.rotateKeys(keep) ?? done,

    'POST /revoke': ({ login }) => ({ revoked: store.revokeAccount(login) }),
    'GET /tokens': (_, query) => store.grantsOf(query.get('login') ?? undefined),
    'GET /secrets': () => secrets,
    'POST /introspect': ({ token }) => idp.introspect(token),

    'GET /faults': () => faults,
    'POST /faults': (body) => {
      for (const fault of [body].flat()) faults.add(fault);
      return done;
    },
    'DELETE /faults': (_, query) => faults.clear(query.get('login') ?? undefined) ?? done,

    'POST /tls': (body) => listener.setTls(body) ?? done,
    'POST /drop-connections': () => listener.dropConnections() ?? done,
    'POST /down': async () => await listener.close() ?? done,
    'POST /up': async () => {
      await listener.reopen();
      return done;
    },
    'POST /reset': () => {
      settings.reset();
      faults.clear();
      idp.reset();
      store.clear();
      counters.reset();
      secrets.reset();
      return done;
    },
    'POST /shutdown': () => {
      setTimeout(end, 50);
      return done;
    },
  };
}

async function readJson(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new HttpError(413, 'request too large');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || '{}');
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
}

async function answer(table, req) {
  const url = new URL(req.url, 'http://localhost');
  const route = table[`${req.method} ${url.pathname}`];
  if (!route) throw new HttpError(404, `no ${req.method} ${url.pathname}; there are: ${Object.keys(table).join(', ')}`);
  return route(await readJson(req), url.searchParams);
}

export async function serveAdmin(port, parts) {
  const table = routes(parts);
  const server = http.createServer(async (req, res) => {
    let status = 200;
    let body;
    try {
      body = await answer(table, req);
    } catch (error) {
      status = error.status ?? 500;
      body = { error: error.message };
    }
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(`${JSON.stringify(body)}\n`);
  });
  server.listen({ host: '127.0.0.1', port });
  await once(server, 'listening');
  return server.address().port;
}
