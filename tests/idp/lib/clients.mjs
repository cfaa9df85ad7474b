// SPDX-License-Identifier: MIT
//
// The clients known from the start. More can be added over the admin interface.

import crypto from 'node:crypto';

export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** A secret that only survives HTTP Basic if it is form-encoded first (RFC 6749 section 2.3.1). */
export const AWKWARD_SECRET = 's:e+c%r e&t=/?';

const device = {
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: [DEVICE_GRANT, 'refresh_token'],
  response_types: [],
  redirect_uris: [],
};

const perAlgorithm = ['PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'].map((alg) => ({
  ...device, client_id: `ssh-login-${alg.toLowerCase()}`, id_token_signed_response_alg: alg,
}));

/**
 * Registration metadata out of what openssl writes: `public_key` (PEM; `key_id`), and `certificate` (PEM) of a
 * client that signs its certificate itself.
 */
export function metadataOf({
  public_key: pem, key_id: kid, certificate, ...metadata
}) {
  if (certificate !== undefined) {
    const x509 = new crypto.X509Certificate(certificate);
    const x5t = crypto.createHash('sha256').update(x509.raw).digest('base64url');
    const jwk = { ...x509.publicKey.export({ format: 'jwk' }), 'x5t#S256': x5t, x5c: [x509.raw.toString('base64')] };
    return { ...device, ...metadata, jwks: { keys: [jwk] } };
  }
  if (pem === undefined) return metadata;
  return { ...device, ...metadata, jwks: { keys: [{ ...crypto.createPublicKey(pem).export({ format: 'jwk' }), kid }] } };
}

/** Those that prove themselves by `client.key` and `client.pem`. */
export const keyedClients = (certificate) => [
  metadataOf({
    client_id: 'ssh-jwt',
    token_endpoint_auth_method: 'private_key_jwt',
    public_key: new crypto.X509Certificate(certificate).publicKey.export({ format: 'pem', type: 'spki' }),
  }),
  {
    ...device,
    client_id: 'ssh-mtls',
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_subject_dn: 'CN=ssh-mtls',
  },
];

export const CLIENTS = [
  { ...device, client_id: 'ssh-login', client_name: 'SSH login', id_token_signed_response_alg: 'RS256' },
  ...perAlgorithm,
  {
    ...device,
    client_id: 'ssh-confidential',
    client_secret: AWKWARD_SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
  },
  {
    ...device,
    client_id: 'ssh:awkward+id%',
    client_secret: AWKWARD_SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
  },
  {
    ...device,
    client_id: 'ssh-confidential-post',
    client_secret: AWKWARD_SECRET,
    token_endpoint_auth_method: 'client_secret_post',
  },
  {
    ...device,
    client_id: 'ssh-hs256',
    client_secret: 'a secret that is long enough for HS256',
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'HS256',
  },
  { ...device, client_id: 'no-device', grant_types: ['refresh_token'] },
  { ...device, client_id: 'no-offline', grant_types: [DEVICE_GRANT] },
  {
    client_id: 'resource-server',
    client_secret: 'resource-server-secret',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  },
];
