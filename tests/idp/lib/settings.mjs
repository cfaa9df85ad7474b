// SPDX-License-Identifier: MIT
//
// What can be changed while the provider runs. Each entry: default value and check.

import { HttpError } from './http-error.mjs';

const seconds = (v) => Number.isSafeInteger(v) && v > 0;
const orNull = (check) => (v) => v === null || check(v);
const flag = (v) => typeof v === 'boolean';
const count = (v) => Number.isSafeInteger(v) && v >= 0;

const TABLE = {
  access_token_ttl: [300, seconds],
  id_token_ttl: [300, seconds],
  device_code_ttl: [600, seconds],
  refresh_token_ttl: [14 * 86400, seconds],
  grant_ttl: [180 * 86400, seconds],
  interval: [null, orNull(count)],
  enforce_interval: [false, flag],
  rotation: [true, flag],
  grace: [0, (v) => typeof v === 'number' && v >= 0],
  refresh_tokens: [true, flag],
  id_token_on_refresh: [true, flag],
  scoped_claims: [false, flag],
  access_token_bytes: [43, (v) => count(v) && v >= 16 && v <= 4 << 20],
  refresh_token_bytes: [43, (v) => count(v) && v >= 16 && v <= 4 << 20],
  resource_token_format: ['jwt', (v) => v === 'jwt' || v === 'opaque'],
  use_granted_resource: [false, flag],
  disabled_users: [[], (v) => Array.isArray(v) && v.every((name) => typeof name === 'string')],
  keep_alive: [600, seconds],
  clock_offset: [0, Number.isSafeInteger],
};

// A provider is elsewhere: its clock does not change when a test sets the host's.
const realNow = () => Math.floor(performance.timeOrigin + performance.now());

/** The machine's clock as it was at the start and went on, whatever clock_offset says. */
export const wallClock = () => realNow() / 1000;

export class Settings {
  #listeners = [];

  constructor() {
    this.reset();
    // Everything in the provider asks Date.now() what time it is.
    Date.now = () => realNow() + this.clock_offset * 1000;
  }

  reset() {
    for (const [key, [value]] of Object.entries(TABLE)) this[key] = structuredClone(value);
    this.#changed();
  }

  apply(changes) {
    for (const [key, value] of Object.entries(changes)) {
      if (!Object.hasOwn(TABLE, key)) throw new HttpError(400, `unknown setting ${key}`);
      if (!TABLE[key][1](value)) throw new HttpError(400, `bad value for ${key}: ${JSON.stringify(value)}`);
    }
    Object.assign(this, structuredClone(changes));
    this.#changed();
  }

  onChange(listener) {
    this.#listeners.push(listener);
  }

  toJSON() {
    return Object.fromEntries(Object.keys(TABLE).map((key) => [key, this[key]]));
  }

  #changed() {
    for (const listener of this.#listeners) listener(this);
  }
}
