// SPDX-License-Identifier: MIT
//
// Every secret that was given out since the last reset, as it was sent: for tests that look for them
// where they must not be.

const KINDS = ['device_code', 'user_code', 'access_token', 'refresh_token', 'id_token'];
const LIMIT = 4096;

export class Secrets {
  #given = new Map();

  /** The body of an answer, parsed; what is no object, or has none of the members, gives nothing. */
  note(body, endpoint) {
    for (const kind of KINDS) {
      const value = body?.[kind];
      if (typeof value === 'string') this.#given.set(value, { kind, endpoint, value });
    }
    for (const value of this.#given.keys()) {
      if (this.#given.size <= LIMIT) break;
      this.#given.delete(value);
    }
  }

  reset() {
    this.#given.clear();
  }

  toJSON() {
    return [...this.#given.values()];
  }
}
