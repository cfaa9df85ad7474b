// SPDX-License-Identifier: MIT
//
// ID tokens that a relying party has to refuse. Each mode takes the genuine token apart and
// returns what goes out in its place.

import crypto from 'node:crypto';

import { HttpError } from './http-error.mjs';
import { decode, encode, makeKey, sign } from './keys.mjs';
import { merge } from './merge.mjs';

const now = () => Math.floor(Date.now() / 1000);

/** Signed with the right key, with other claims. */
const claims = (patch) => ({ header, payload, key }) => {
  const changes = typeof patch === 'function' ? patch(payload) : patch;
  return sign(key, header, merge(payload, changes));
};

const MODES = {
  // Signatures
  none: ({ header, payload }) => `${encode({ ...header, alg: 'none' })}.${encode(payload)}.`,
  stripped: ({ parts }) => `${parts[0]}.${parts[1]}.`,
  two_parts: ({ parts }) => `${parts[0]}.${parts[1]}`,
  flipped({ parts }) {
    const signature = Buffer.from(parts[2], 'base64url');
    signature[signature.length >> 1] ^= 1;
    return `${parts[0]}.${parts[1]}.${signature.toString('base64url')}`;
  },
  short_signature: ({ parts }) => `${parts[0]}.${parts[1]}.${parts[2].slice(0, 20)}`,
  zero_signature({ parts }) {
    const zeros = Buffer.alloc(Buffer.from(parts[2], 'base64url').length);
    return `${parts[0]}.${parts[1]}.${zeros.toString('base64url')}`;
  },
  der_signature({ header, parts, key }) {
    if (!header.alg.startsWith('ES')) throw new HttpError(400, 'der_signature needs an ECDSA client');
    const input = `${parts[0]}.${parts[1]}`;
    const hash = `sha${header.alg.slice(2)}`;
    return `${input}.${crypto.sign(hash, Buffer.from(input), key.privateKey).toString('base64url')}`;
  },
  other_key: ({ header, payload, key }) => sign(makeKey(key.alg), header, payload),
  embedded_key({ header, payload, key }) {
    const forged = makeKey(key.alg);
    return sign(forged, { ...header, jwk: forged.publicKey.export({ format: 'jwk' }) }, payload);
  },
  hs256({ header, payload, key }) {
    const input = `${encode({ ...header, alg: 'HS256' })}.${encode(payload)}`;
    const secret = key.publicKey.export({ type: 'spki', format: 'pem' });
    return `${input}.${crypto.createHmac('sha256', secret).update(input).digest('base64url')}`;
  },
  other_alg({ payload, keys, key }, { alg }) {
    const other = keys.find((k) => (alg ? k.alg === alg : k.alg !== key.alg));
    if (!other) throw new HttpError(400, `no key for ${alg}`);
    return sign(other, { alg: other.alg, kid: other.kid, typ: 'JWT' }, payload);
  },
  mixed_alg({ header, payload, keys, key }) {
    const other = keys.find((k) => k.alg !== key.alg);
    return sign(key, { ...header, alg: other.alg, kid: other.kid }, payload);
  },
  unknown_kid: ({ header, payload, key }) => sign(key, { ...header, kid: 'nobody-knows' }, payload),
  no_kid({ header, payload, key }) {
    const { kid, ...rest } = header;
    return sign(key, rest, payload);
  },
  crit: ({ header, payload, key }) => sign(key, { ...header, crit: ['exotic'], exotic: true }, payload),
  at_jwt: ({ header, payload, key }) => sign(key, { ...header, typ: 'at+jwt' }, payload),

  // Claims under the genuine signature
  changed: ({ parts, payload }, { claims: patch = { sub: 'mallory', preferred_username: 'mallory' } }) => (
    `${parts[0]}.${encode(merge(payload, patch))}.${parts[2]}`),

  // Claims, signed with the right key
  resigned({ header, payload, key }, { claims: patch = {}, header: headerPatch = {} }) {
    return sign(key, merge(header, headerPatch), merge(payload, patch));
  },
  expired: claims(() => ({ iat: now() - 7200, exp: now() - 3600 })),
  future_iat: claims(() => ({ iat: now() + 3600, exp: now() + 7200 })),
  not_before: claims(() => ({ nbf: now() + 3600 })),
  no_exp: claims({ exp: null }),
  no_iat: claims({ iat: null }),
  exp_string: claims((p) => ({ exp: String(p.exp) })),
  exp_huge: claims({ exp: 1e300 }),
  wrong_iss: claims({ iss: 'https://evil.example.test' }),
  slash_iss: claims((p) => ({ iss: `${p.iss}/` })),
  no_iss: claims({ iss: null }),
  wrong_aud: claims({ aud: 'somebody-else' }),
  no_aud: claims({ aud: null }),
  many_aud: claims((p) => ({ aud: [p.aud, 'somebody-else'] })),
  many_aud_azp: claims((p) => ({ aud: [p.aud, 'somebody-else'], azp: p.aud })),
  wrong_azp: claims({ azp: 'somebody-else' }),
  wrong_nonce: claims({ nonce: 'not-yours' }),
  wrong_sub: claims({ sub: 'mallory' }),
  no_sub: claims({ sub: null }),
  empty_sub: claims({ sub: '' }),
  long_sub: claims({ sub: 's'.repeat(256) }),
  number_sub: claims({ sub: 1000 }),
  control_name: claims({ preferred_username: 'al\u001b[31mice\n' }),
  nul_name: claims((p) => ({ preferred_username: `${p.preferred_username}\u0000.evil` })),
  old_auth_time: claims(() => ({ auth_time: now() - 30 * 86400 })),
  wrong_acr: claims({ acr: 'urn:test:nothing' }),

  // No token at all
  missing: () => undefined,
  empty: () => '',
  number: () => 12345,
  text: () => 'not.a.token',
  huge: ({ header, payload, key }) => sign(key, header, { ...payload, padding: 'x'.repeat(1 << 20) }),
  replaced: (_, { token }) => token,
};

export const MODE_NAMES = Object.keys(MODES);

export function checkMode(mode) {
  if (!Object.hasOwn(MODES, mode)) {
    throw new HttpError(400, `unknown id_token mode ${mode}; there are: ${MODE_NAMES.join(' ')}`);
  }
}

export function forge(token, mode, options, keys) {
  const parts = token.split('.');
  const header = decode(parts[0]);
  const key = keys.find((k) => k.kid === header.kid);
  return MODES[mode]({ parts, header, payload: decode(parts[1]), key, keys }, options);
}
