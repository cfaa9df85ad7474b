// SPDX-License-Identifier: MIT
//
// Polling as RFC 8628 section 3.5 wants it, seen from the server: a request that comes less than
// one interval after the end of the last answer is early. It is always counted; slow_down is only
// said where enforcing is on, because oidc-provider itself never says it.

import { wallClock } from './settings.mjs';

const TOLERANCE = 0.05;
const DEFAULT_INTERVAL = 5;

export class Polls {
  #settings;
  #counters;
  #codes = new Map();

  constructor(settings, counters) {
    this.#settings = settings;
    this.#counters = counters;
  }

  issued(deviceCode, userCode) {
    const interval = this.#settings.interval ?? DEFAULT_INTERVAL;
    this.#codes.set(deviceCode, { userCode, interval, answered: wallClock(), polls: [] });
  }

  /** Notes a poll; true if it is to be answered by slow_down. */
  arrived(deviceCode) {
    const code = this.#codes.get(deviceCode);
    if (!code) return false;

    const now = wallClock();
    const waited = now - code.answered;
    code.polls.push(now);
    if (waited >= code.interval - TOLERANCE) return false;

    this.#counters.bump('early_polls');
    this.#counters.early.push({ at: now, user_code: code.userCode, waited, interval: code.interval });
    return this.#settings.enforce_interval;
  }

  answered(deviceCode, error) {
    const code = this.#codes.get(deviceCode);
    if (!code) return;
    code.answered = wallClock();
    if (error === 'slow_down') {
      code.interval += 5;
      this.#counters.bump('slow_downs');
    }
  }

  of(deviceCode) {
    const { interval, polls } = this.#codes.get(deviceCode) ?? { interval: null, polls: [] };
    return { interval, polls };
  }
}
