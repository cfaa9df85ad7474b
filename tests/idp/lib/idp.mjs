// SPDX-License-Identifier: MIT
//
// The provider itself: oidc-provider, set up so that every setting is read when it is needed, and
// what its own pages do (approve, deny) done without a browser.

import crypto from 'node:crypto';

import { CLIENTS, keyedClients, metadataOf } from './clients.mjs';
import { HttpError } from './http-error.mjs';
import { ALGORITHMS, makeKeys } from './keys.mjs';
import { errors, jose, Provider } from './packages.mjs';

const RESOURCE = /^https:\/\/[a-z0-9-]+\.example\.test\//;
const PROFILE = ['name', 'preferred_username'];
const EMAIL = ['email', 'email_verified'];

export const MTLS_PREFIX = '/mtls';

/** What the client showed in the handshake, if anything. */
export const certificateOf = (req) => req.socket.getPeerX509Certificate?.();

const now = () => Math.floor(Date.now() / 1000);
const plain = (code) => code.replace(/\W/g, '').toUpperCase();

export class Idp {
  #settings;
  #store;
  #counters;
  #accounts = new Map();
  #armed = [];

  constructor({
    issuer, settings, store, counters, clientCertificate,
  }) {
    Object.assign(this, { issuer, keys: makeKeys(), clients: [...CLIENTS, ...keyedClients(clientCertificate)] });
    this.#settings = settings;
    this.#store = store;
    this.#counters = counters;
    this.#build();
  }

  /** New signing keys; the old ones stay in the key set or leave it. */
  rotateKeys(keepOld) {
    this.keys = [...makeKeys(), ...(keepOld ? this.keys : [])];
    this.#build();
  }

  addClient(metadata) {
    this.#store.put('Client', metadata.client_id, metadataOf(metadata));
  }

  /** Claims of an account that differ from the usual ones; null drops a claim. */
  setAccount(login, claims) {
    this.#accounts.set(login, { ...this.#accounts.get(login), ...claims });
  }

  reset() {
    this.#accounts.clear();
    this.#armed = [];
  }

  /** The codes that wait for somebody, oldest first. */
  pendingCodes(all = false) {
    const codes = all ? [...this.#store.all('DeviceCode')] : this.#store.live('DeviceCode');
    return codes.filter((p) => all || (!p.accountId && !p.error)).map((p) => ({
      user_code: `${p.userCode.slice(0, 4)}-${p.userCode.slice(4)}`,
      client_id: p.clientId,
      scope: p.params?.scope ?? '',
      params: p.params,
      created: p.iat,
      expires: p.exp,
      in_flight: Boolean(p.inFlight),
      login: p.accountId ?? null,
      error: p.error ?? null,
      redeemed: p.consumed ?? null,
      device: p.deviceInfo,
      device_code: p.jti,
    }));
  }

  async approve({ user_code: userCode, login, acr, amr, auth_time: authTime = now() }) {
    const code = await this.#pending(userCode);
    const grant = new this.provider.Grant({ accountId: login, clientId: code.clientId });
    const scope = code.params.scope ?? 'openid';
    const client = await this.provider.Client.find(code.clientId);
    const resources = [code.params.resource ?? []].flat();
    grant.addOIDCScope(scope);
    for (const resource of resources) grant.addResourceScope(resource, scope);
    const claims = this.#requestedClaims(code.params, client, acr);
    grant.addOIDCClaims(Object.keys(claims.id_token ?? {}));
    Object.assign(code, {
      accountId: login, acr, amr, authTime, scope, claims, grantId: await grant.save(),
    });
    if (resources.length > 0) code.resource = resources.length === 1 ? resources[0] : resources;
    await code.save();
  }

  async deny({ user_code: userCode, error = 'access_denied' }) {
    const code = await this.#pending(userCode);
    Object.assign(code, { error, errorDescription: 'End-User aborted interaction' });
    await code.save();
  }

  /** Approves (or denies) the next codes by itself. */
  arm({ login, deny = false, count = 1, delay_ms: delay = 0, client_id: client, ...rest }) {
    this.#armed.push({ login, deny, count, delay, client, rest });
  }

  disarm() {
    this.#armed = [];
  }

  codeIssued(userCode, client) {
    const armed = this.#armed.find((a) => a.count !== 0 && (a.client ?? client) === client);
    if (!armed) return;
    if (armed.count > 0) armed.count -= 1;
    const act = () => (armed.deny
      ? this.deny({ user_code: userCode })
      : this.approve({ user_code: userCode, login: armed.login, ...armed.rest }));
    setTimeout(() => act().catch(() => {}), armed.delay);
  }

  /** What any resource server would find out about a token. */
  async introspect(token) {
    for (const model of ['AccessToken', 'RefreshToken']) {
      const p = this.#store.peek(model, token);
      if (p) {
        const account = this.#account(p.accountId);
        return {
          active: p.exp > Date.now() / 1000 && !p.consumed,
          kind: model,
          sub: account?.accountId ?? p.accountId,
          login: p.accountId,
          client_id: p.clientId,
          scope: p.scope,
          iat: p.iat,
          exp: p.exp,
        };
      }
    }
    return this.#introspectJwt(token);
  }

  #account(login) {
    if (this.#settings.disabled_users.includes(login)) return undefined;
    const special = this.#accounts.get(login) ?? {};
    const claims = Object.fromEntries(Object.entries({
      name: login,
      preferred_username: login,
      email: `${login}@example.test`,
      email_verified: true,
      groups: ['users', login],
      ...special,
    }).filter(([, value]) => value !== null));
    return { accountId: special.sub ?? login, claims };
  }

  async #introspectJwt(token) {
    const set = jose.createLocalJWKSet({ keys: this.keys.map((k) => k.publicJwk) });
    try {
      const { payload } = await jose.jwtVerify(token, set, { issuer: this.issuer, currentDate: new Date(Date.now()) });
      return {
        active: true,
        kind: 'AccessToken',
        sub: payload.sub,
        login: payload.sub,
        client_id: payload.client_id,
        aud: payload.aud,
        scope: payload.scope,
        iat: payload.iat,
        exp: payload.exp,
      };
    } catch {
      return { active: false };
    }
  }

  async #pending(userCode) {
    const code = await this.provider.DeviceCode.findByUserCode(plain(userCode), { ignoreExpiration: true });
    if (!code) throw new HttpError(404, `no such code: ${userCode}`);
    if (code.isExpired) throw new HttpError(410, `expired: ${userCode}`);
    if (code.accountId || code.error) throw new HttpError(409, `already answered: ${userCode}`);
    return code;
  }

  // The claims that the pages would have derived from the request.
  #requestedClaims(params, client, acr) {
    const claims = params.claims ? JSON.parse(params.claims) : {};
    const idToken = { ...claims.id_token };
    if (params.max_age !== undefined || client.requireAuthTime) idToken.auth_time = { essential: true };
    if (params.acr_values !== undefined || acr !== undefined) idToken.acr = null;
    return Object.keys(idToken).length > 0 ? { ...claims, id_token: idToken } : claims;
  }

  #build() {
    for (const key of this.keys) {
      const { alg, kid, use } = key.jwk;
      key.publicJwk = { ...key.publicKey.export({ format: 'jwk' }), alg, kid, use };
    }
    this.provider = new Provider(this.issuer, this.#configuration());
    this.callback = this.provider.callback();
    this.provider.on('grant.success', (ctx) => this.#granted(ctx));
    this.provider.on('grant.error', (ctx, error) => this.#refused(ctx, error));
    this.provider.on('grant.revoked', () => this.#counters.bump('grants_revoked'));
    this.provider.on('server_error', (ctx, error) => console.warn(error));
  }

  #granted(ctx) {
    this.#counters.bump(ctx.oidc.params.grant_type === 'refresh_token' ? 'refreshed' : 'logins');
  }

  #refused(ctx, error) {
    if (ctx.req.record) ctx.req.record.detail = error.error_detail ?? error.message;
    if (error.error_detail === 'refresh token already used') this.#counters.bump('refresh_reuse');
    if (error.error_detail === 'device code already consumed') this.#counters.bump('device_code_reuse');
  }

  #configuration() {
    const settings = this.#settings;
    const size = { AccessToken: 'access_token_bytes', RefreshToken: 'refresh_token_bytes' };
    return {
      adapter: this.#store.Adapter,
      clients: this.clients,
      jwks: { keys: this.keys.map((k) => k.jwk) },
      cookies: { keys: [crypto.randomBytes(16).toString('hex')] },
      scopes: ['openid', 'offline_access', 'profile', 'email', 'groups', 'api:read', 'api:write'],
      claims: {
        openid: ['sub', ...PROFILE, ...EMAIL, 'groups', 'department'], profile: PROFILE, email: EMAIL, groups: ['groups'],
      },
      acrValues: ['urn:test:password', 'urn:test:mfa'],
      conformIdTokenClaims: false,
      enabledJWA: {
        idTokenSigningAlgValues: [...Object.keys(ALGORITHMS), 'HS256'],
        clientAuthSigningAlgValues: Object.keys(ALGORITHMS),
      },
      clientAuthMethods: [
        'none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth',
      ],
      discovery: { mtls_endpoint_aliases: this.#mtlsAliases() },
      features: {
        deviceFlow: { enabled: true },
        revocation: { enabled: true },
        introspection: { enabled: true, allowedPolicy: (_, client) => client.clientAuthMethod !== 'none' },
        mTLS: {
          enabled: true,
          tlsClientAuth: true,
          selfSignedTlsClientAuth: true,
          getCertificate: (ctx) => certificateOf(ctx.req),
          certificateAuthorized: (ctx) => ctx.socket.authorized === true,
          certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn'
            && certificateOf(ctx.req).subject === expected,
        },
        resourceIndicators: {
          enabled: true,
          defaultResource: (_, __, oneOf) => oneOf?.[0],
          useGrantedResource: () => settings.use_granted_resource,
          getResourceServerInfo: (_, resource) => this.#resourceServer(resource),
        },
      },
      formats: {
        bitsOfOpaqueRandomness: (_, token) => (size[token.kind] ? settings[size[token.kind]] * 6 : 256),
      },
      extraTokenClaims: (_, token) => {
        const padding = settings.access_token_bytes - 1000;
        return token.aud && padding > 0 ? { padding: 'x'.repeat(padding * 0.75) } : undefined;
      },
      expiresWithSession: () => false,
      issueRefreshToken: (_, client, source) => settings.refresh_tokens
        && client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
      rotateRefreshToken: () => settings.rotation,
      ttl: {
        AccessToken: () => settings.access_token_ttl,
        IdToken: () => settings.id_token_ttl,
        DeviceCode: () => settings.device_code_ttl,
        RefreshToken: () => settings.refresh_token_ttl,
        Grant: () => settings.grant_ttl,
        Session: () => 14 * 86400,
        Interaction: () => 3600,
      },
      findAccount: (_, login) => this.#findAccount(login),
    };
  }

  // RFC 8705 5: the front knows these paths, and takes the prefix off.
  #mtlsAliases() {
    return {
      token_endpoint: `${this.issuer}${MTLS_PREFIX}/token`,
      device_authorization_endpoint: `${this.issuer}${MTLS_PREFIX}/device/auth`,
      revocation_endpoint: `${this.issuer}${MTLS_PREFIX}/token/revocation`,
    };
  }

  #resourceServer(resource) {
    if (!RESOURCE.test(resource)) throw new errors.InvalidTarget();
    return {
      scope: 'api:read api:write',
      audience: resource,
      accessTokenTTL: this.#settings.access_token_ttl,
      accessTokenFormat: this.#settings.resource_token_format,
      jwt: { sign: { alg: 'RS256' } },
    };
  }

  #findAccount(login) {
    const account = this.#account(login);
    if (!account) return undefined;
    const { accountId, claims } = account;
    return {
      accountId,
      claims: async (use, scope) => ({ ...(this.#settings.scoped_claims ? this.#scoped(claims, scope) : claims), sub: accountId }),
    };
  }

  #scoped(claims, scope) {
    const scopes = new Set(scope.split(' '));
    const hidden = [
      ...(scopes.has('profile') ? [] : PROFILE), ...(scopes.has('email') ? [] : EMAIL), ...(scopes.has('groups') ? [] : ['groups']),
    ];
    return Object.fromEntries(Object.entries(claims).filter(([name]) => !hidden.includes(name)));
  }
}
