// SPDX-License-Identifier: MIT
//
// oidc-provider's storage, in memory and without a limit: its own one forgets the oldest of a
// thousand entries, which a load test would notice.

import { createHash } from 'node:crypto';

const now = () => Date.now() / 1000;

const fingerprint = (secret) => createHash('sha256').update(secret).digest('hex').slice(0, 16);

export class Store {
  #models = new Map();
  #uids = new Map();
  #userCodes = new Map();
  #grants = new Map();
  #owners = new Map();
  #settings;

  constructor(settings) {
    this.#settings = settings;
    const store = this;
    this.Adapter = class {
      constructor(model) { this.model = model; }

      async upsert(id, payload) { store.#upsert(this.model, id, payload); }

      async find(id) { return store.#find(this.model, id); }

      async findByUid(uid) { return this.find(store.#uids.get(uid)); }

      async findByUserCode(code) { return this.find(store.#userCodes.get(code)); }

      async consume(id) {
        const entry = store.peek(this.model, id);
        if (entry) entry.consumed ??= now();
      }

      async destroy(id) { store.#of(this.model).delete(id); }

      async revokeByGrantId(grant) { store.#revokeGrant(grant); }
    };
  }

  clear() {
    for (const [model, entries] of this.#models) {
      if (model !== 'Client') entries.clear();
    }
    for (const map of [this.#uids, this.#userCodes, this.#grants, this.#owners]) map.clear();
  }

  put(model, id, payload) {
    this.#upsert(model, id, payload);
  }

  /** The stored entry as it is, consumed or expired or not. */
  peek(model, id) {
    return this.#of(model).get(id);
  }

  /** The account that a token or code belongs to, or belonged to before it was revoked. */
  owner(id) {
    return this.#owners.get(id);
  }

  all(model) {
    return this.#of(model).values();
  }

  live(model) {
    return [...this.all(model)].filter((p) => p.exp > now() && !p.consumed);
  }

  /** Grants that can still be refreshed. */
  get liveGrants() {
    return new Set(this.live('RefreshToken').map((p) => p.grantId)).size;
  }

  /** Ends every grant of an account; the number of grants that went. */
  revokeAccount(accountId) {
    const grants = [...this.all('Grant')].filter((p) => p.accountId === accountId);
    for (const { jti } of grants) {
      this.#revokeGrant(jti);
      this.#of('Grant').delete(jti);
    }
    return grants.length;
  }

  /** What an account holds, without the secrets: a fingerprint stands for each token. */
  grantsOf(accountId) {
    const describe = (p) => ({
      fingerprint: fingerprint(p.jti),
      issued: p.iat,
      expires: p.exp,
      consumed: p.consumed ?? null,
      ...(p.rotations === undefined ? {} : { rotations: p.rotations }),
      live: p.exp > now() && !p.consumed,
    });
    const of = (model, grant) => [...this.all(model)].filter((p) => p.grantId === grant).map(describe);
    return [...this.all('Grant')]
      .filter((p) => accountId === undefined || p.accountId === accountId)
      .map((p) => ({
        login: p.accountId,
        client_id: p.clientId,
        expires: p.exp,
        scope: p.openid?.scope ?? '',
        refresh_tokens: of('RefreshToken', p.jti),
        access_tokens: of('AccessToken', p.jti),
      }));
  }

  #of(model) {
    if (!this.#models.has(model)) this.#models.set(model, new Map());
    return this.#models.get(model);
  }

  #upsert(model, id, payload) {
    this.#of(model).set(id, structuredClone(payload));
    if (model === 'Session') this.#uids.set(payload.uid, id);
    if (payload.accountId) this.#owners.set(id, payload.accountId);
    if (payload.userCode) this.#userCodes.set(payload.userCode, id);
    if (payload.grantId) {
      if (!this.#grants.has(payload.grantId)) this.#grants.set(payload.grantId, []);
      this.#grants.get(payload.grantId).push([model, id]);
    }
  }

  #find(model, id) {
    const entry = structuredClone(this.peek(model, id));
    // Within the grace a rotated refresh token looks unused, as with Logto.
    if (model === 'RefreshToken' && entry?.consumed && now() < entry.consumed + this.#settings.grace) {
      delete entry.consumed;
    }
    return entry;
  }

  #revokeGrant(grant) {
    for (const [model, id] of this.#grants.get(grant) ?? []) this.#of(model).delete(id);
    this.#grants.delete(grant);
  }
}
