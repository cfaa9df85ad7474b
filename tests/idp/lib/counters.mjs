// SPDX-License-Identifier: MIT
//
// What was asked for, how often and when, and waiting until it has happened.

import { EventEmitter } from 'node:events';

import { wallClock } from './settings.mjs';

const RECENT = 2000;

export const ENDPOINTS = [
  'discovery', 'jwks', 'device_authorization', 'token_device', 'token_refresh', 'token_other',
  'revocation', 'introspection', 'userinfo', 'whoami', 'page',
];

const EVENTS = [
  'connections', 'tls_handshakes', 'tls_resumed', 'tls_errors', 'early_polls', 'slow_downs', 'logins', 'refreshed',
  'refresh_reuse', 'device_code_reuse', 'grants_revoked', 'whoami_ok', 'whoami_stale', 'faults',
];

export class Counters {
  #store;
  #changes = new EventEmitter().setMaxListeners(0);

  constructor(store) {
    this.#store = store;
    this.openConnections = 0;
    this.reset();
  }

  reset() {
    this.requests = Object.fromEntries(ENDPOINTS.map((name) => [name, 0]));
    this.events = Object.fromEntries(EVENTS.map((name) => [name, 0]));
    this.recent = [];
    this.early = [];
  }

  bump(event) {
    this.events[event] += 1;
    this.#changes.emit('change');
  }

  /** Counts a request; the record returned is filled in as the answer takes shape. */
  request(endpoint, details) {
    const record = { at: wallClock(), endpoint, ...details };
    this.requests[endpoint] += 1;
    this.recent.push(record);
    if (this.recent.length > RECENT) this.recent.shift();
    this.#changes.emit('change');
    return record;
  }

  value(name) {
    return this.requests[name] ?? this.events[name] ?? this.#state()[name];
  }

  /** Resolves with the value once it lies within the bounds, or when the time is up. */
  async wait({ counter, at_least: least = -Infinity, at_most: most = Infinity, timeout_ms: timeout = 10000 }) {
    const within = () => this.value(counter) >= least && this.value(counter) <= most;
    const deadline = performance.now() + timeout;
    while (!within() && performance.now() < deadline) {
      await this.#change(Math.min(50, deadline - performance.now()));
    }
    return { reached: within(), value: this.value(counter) };
  }

  toJSON() {
    return {
      requests: this.requests, ...this.events, ...this.#state(), early: this.early, recent: this.recent,
    };
  }

  // These follow from the store and the sockets, and can go down as well as up.
  #state() {
    return {
      open_connections: this.openConnections,
      live_grants: this.#store.liveGrants,
      live_access_tokens: this.#store.live('AccessToken').length,
      pending_codes: this.#store.live('DeviceCode').filter((p) => !p.accountId && !p.error).length,
    };
  }

  #change(milliseconds) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#changes.off('change', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#changes.once('change', done);
    });
  }
}
