// SPDX-License-Identifier: MIT
//
// The sockets: on both loopback addresses under one port, counted, with certificates that can be
// changed for bad ones, and able to be away for a while.

import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';

import { HttpError } from './http-error.mjs';

const CERTIFICATES = ['good', 'expired', 'wrong_name', 'unknown_ca'];

export class Listener {
  #options;
  #servers = [];
  #sockets = new Set();
  #port;
  #tls = { certificate: 'good' };

  constructor(options) {
    this.#options = options;
    options.settings.onChange(() => this.#keepAlive());
  }

  async open(port) {
    const addresses = this.#options.listen ? [this.#options.listen] : ['127.0.0.1', '::1'];
    for (let attempt = 0; ; attempt += 1) {
      try {
        this.#port = port;
        for (const address of addresses) await this.#listen(address);
        return this.#port;
      } catch (error) {
        await this.close();
        if (port !== 0 || error.code !== 'EADDRINUSE' || attempt > 20) throw error;
      }
    }
  }

  /** Refuses connections until open() is called again with no port, i.e. the same one. */
  async close() {
    const servers = this.#servers;
    this.#servers = [];
    const closed = servers.map((server) => new Promise((resolve) => { server.close(resolve); }));
    this.dropConnections();
    await Promise.all(closed);
  }

  reopen() {
    return this.#servers.length > 0 ? this.#port : this.open(this.#port);
  }

  /** Also those whose handshake is under way, which a server does not count as its connections. */
  dropConnections() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Presents another certificate, or speaks other versions only, to new connections. */
  setTls({ certificate = 'good', min_version: minVersion, max_version: maxVersion }) {
    if (!CERTIFICATES.includes(certificate)) {
      throw new HttpError(400, `unknown certificate ${certificate}; there are: ${CERTIFICATES.join(' ')}`);
    }
    this.#tls = { certificate, minVersion, maxVersion };
    for (const server of this.#servers) server.setSecureContext?.(this.#context());
    this.dropConnections();
  }

  #context() {
    const { certificate, minVersion, maxVersion } = this.#tls;
    const old = ['TLSv1', 'TLSv1.1'].includes(maxVersion);
    return {
      key: fs.readFileSync(`${this.#options.state}/${certificate}.key`),
      cert: fs.readFileSync(`${this.#options.state}/${certificate}.pem`),
      minVersion: minVersion ?? (old ? 'TLSv1' : 'TLSv1.2'),
      maxVersion: maxVersion ?? 'TLSv1.3',
      ca: fs.readFileSync(`${this.#options.state}/ca.pem`),
      ...(old ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
    };
  }

  async #listen(address) {
    // A client may show a certificate; what it is worth is decided for each client.
    const mutual = { requestCert: true, rejectUnauthorized: false };
    const server = this.#options.http ? http.createServer() : https.createServer({ ...this.#context(), ...mutual });
    server.on('request', (req, res) => this.handler(req, res));
    server.headersTimeout = 0;
    server.requestTimeout = 0;
    this.#count(server);
    server.listen({ host: address, port: this.#port });
    try {
      await once(server, 'listening');
    } catch (error) {
      if (address === '::1' && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.code)) return;
      throw error;
    }
    this.#servers.push(server);
    this.#port = server.address().port;
    this.#keepAlive();
  }

  #count(server) {
    const { counters } = this.#options;
    server.on('connection', (socket) => {
      counters.openConnections += 1;
      counters.bump('connections');
      this.#sockets.add(socket);
      socket.on('close', () => {
        counters.openConnections -= 1;
        this.#sockets.delete(socket);
      });
    });
    server.on('secureConnection', (socket) => {
      counters.bump('tls_handshakes');
      if (socket.isSessionReused()) counters.bump('tls_resumed');
    });
    server.on('tlsClientError', () => counters.bump('tls_errors'));
  }

  #keepAlive() {
    for (const server of this.#servers) server.keepAliveTimeout = this.#options.settings.keep_alive * 1000;
  }
}
