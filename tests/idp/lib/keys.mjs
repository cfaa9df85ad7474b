// SPDX-License-Identifier: MIT
//
// The signing keys, one per algorithm, and signing by hand where a token is forged.

import crypto from 'node:crypto';

export const ALGORITHMS = {
  RS256: { type: 'rsa', options: { modulusLength: 2048 }, hash: 'sha256' },
  PS256: {
    type: 'rsa',
    options: { modulusLength: 2048 },
    hash: 'sha256',
    sign: { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  },
  ES256: { type: 'ec', options: { namedCurve: 'P-256' }, hash: 'sha256', sign: { dsaEncoding: 'ieee-p1363' } },
  ES384: { type: 'ec', options: { namedCurve: 'P-384' }, hash: 'sha384', sign: { dsaEncoding: 'ieee-p1363' } },
  ES512: { type: 'ec', options: { namedCurve: 'P-521' }, hash: 'sha512', sign: { dsaEncoding: 'ieee-p1363' } },
  EdDSA: { type: 'ed25519', options: {}, hash: null },
};

export function makeKey(alg, kid = `${alg.toLowerCase()}-${crypto.randomBytes(4).toString('hex')}`) {
  const { type, options } = ALGORITHMS[alg];
  const { privateKey, publicKey } = crypto.generateKeyPairSync(type, options);
  return { alg, kid, privateKey, publicKey, jwk: { ...privateKey.export({ format: 'jwk' }), alg, kid, use: 'sig' } };
}

export function makeKeys() {
  return Object.keys(ALGORITHMS).map((alg) => makeKey(alg));
}

export const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
export const decode = (part) => JSON.parse(Buffer.from(part, 'base64url'));

/** A compact JWS made with a key of ours, whatever its header says. */
export function sign(key, header, claims) {
  const input = `${encode(header)}.${encode(claims)}`;
  const { hash, sign: options } = ALGORITHMS[key.alg];
  const signature = crypto.sign(hash, Buffer.from(input), { key: key.privateKey, ...options });
  return `${input}.${signature.toString('base64url')}`;
}
