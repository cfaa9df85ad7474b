// SPDX-License-Identifier: MIT
//
// The test provider's entry: options, the two listeners, the ready line, the end.

import fs from 'node:fs';
import { parseArgs } from 'node:util';

import { serveAdmin } from './lib/admin.mjs';
import { Counters } from './lib/counters.mjs';
import { Faults } from './lib/faults.mjs';
import { Front } from './lib/front.mjs';
import { Idp } from './lib/idp.mjs';
import { Listener } from './lib/listener.mjs';
import { Polls } from './lib/polls.mjs';
import { Secrets } from './lib/secrets.mjs';
import { Settings } from './lib/settings.mjs';
import { Store } from './lib/store.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'admin-port': { type: 'string', default: '0' },
    host: { type: 'string', default: 'localhost' },
    listen: { type: 'string' },
    path: { type: 'string', default: '' },
    http: { type: 'boolean', default: false },
    state: { type: 'string' },
    'remove-state': { type: 'boolean', default: false },
    stdin: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

// Standard output carries the ready line and nothing else.
const chatter = options.verbose ? (...args) => console.error(...args) : () => {};
console.info = chatter;
console.log = chatter;
console.warn = chatter;

const settings = new Settings();
const store = new Store(settings);
const counters = new Counters(store);
const faults = new Faults();
const polls = new Polls(settings, counters);
const secrets = new Secrets();

const listener = new Listener({ ...options, counters, settings });
const port = await listener.open(Number(options.port));
const issuer = `${options.http ? 'http' : 'https'}://${options.host}:${port}${options.path}`;

const clientCertificate = `${options.state}/client.pem`;
const idp = new Idp({
  issuer, settings, store, counters, clientCertificate: fs.readFileSync(clientCertificate),
});
const front = new Front({
  idp, path: options.path, settings, store, counters, faults, polls, secrets,
});
listener.handler = (req, res) => front.handle(req, res);

let ending = false;
async function end() {
  if (ending) return;
  ending = true;
  await listener.close();
  if (options['remove-state']) fs.rmSync(options.state, { recursive: true, force: true });
  process.exit(0);
}

const admin = await serveAdmin(Number(options['admin-port']), {
  idp, front, settings, store, counters, faults, polls, secrets, listener, end,
});

process.on('SIGTERM', end);
process.on('SIGINT', end);
if (options.stdin) {
  process.stdin.on('end', end).on('error', end).resume();
}

process.stdout.on('error', () => {});
process.stdout.write(`${JSON.stringify({
  issuer,
  port,
  admin: `http://127.0.0.1:${admin}`,
  ca_file: options.http ? null : `${options.state}/ca.pem`,
  client_key: `${options.state}/client.key`,
  client_certificate: clientCertificate,
  pid: process.pid,
})}\n`);
