# SPDX-License-Identifier: MIT
"""Checks a compact JWS against a JWK set by OpenSSL's command line: a second opinion on what the
provider signs, and on what it forges."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import tempfile

_PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]

# alg: (kty, curve, hash, length of r and s, further options of `openssl dgst`)
_ALGORITHMS = {
    "RS256": ("RSA", None, "sha256", None, []),
    "PS256": ("RSA", None, "sha256", None, _PSS),
    "ES256": ("EC", "P-256", "sha256", 32, []),
    "ES384": ("EC", "P-384", "sha384", 48, []),
    "ES512": ("EC", "P-521", "sha512", 66, []),
    "EdDSA": ("OKP", "Ed25519", None, None, []),
}

# SubjectPublicKeyInfo up to the point
_SPKI = {
    "P-256": "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
    "P-384": "3076301006072a8648ce3d020106052b8104002203620004",
    "P-521": "30819b301006072a8648ce3d020106052b810400230381860004",
    "Ed25519": "302a300506032b6570032100",
}
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header(token):
    return json.loads(unbase64(token.split(".")[0]))


def claims(token):
    return json.loads(unbase64(token.split(".")[1]))


def _der(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _integer(raw):
    raw = raw.lstrip(b"\0")
    return _der(2, (b"\0" if not raw or raw[0] & 0x80 else b"") + raw)


def pem(jwk):
    """A JWK's public key in PEM."""
    if jwk["kty"] == "RSA":
        key = _der(0x30, _integer(unbase64(jwk["n"])) + _integer(unbase64(jwk["e"])))
        der = _der(0x30, _RSA + _der(3, b"\0" + key))
    else:
        der = bytes.fromhex(_SPKI[jwk["crv"]]) + unbase64(jwk["x"]) + unbase64(jwk.get("y", ""))
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"


def verified(token, keys):
    """Whether the signature is good, by the key that the header names and the algorithm of that key."""
    if token.count(".") != 2:
        return False
    signed, _, signature = token.rpartition(".")
    head = header(token)
    found = [k for k in keys if k["kid"] == head.get("kid")]
    if not found or found[0]["alg"] != head["alg"]:
        return False
    return _openssl(found[0], head["alg"], signed.encode(), unbase64(signature))


def signed_es256(head, body, key_file):
    """A compact JWS by a P-256 key in PEM."""
    signed = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, body))
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key_file], input=signed.encode(), capture_output=True,
                         check=True).stdout
    first = 4 + der[3]
    halves = (der[4:first], der[first + 2:])
    raw = b"".join(half.lstrip(b"\0").rjust(32, b"\0") for half in halves)
    return signed + "." + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def is_hmac_with_public_key(token, keys):
    """Whether somebody who takes the public key for an HS256 secret would be fooled."""
    signed, _, signature = token.rpartition(".")
    head = header(token)
    key = [k for k in keys if k["kid"] == head["kid"]][0]
    return head["alg"] == "HS256" and hmac.compare_digest(
        unbase64(signature), hmac.new(pem(key).encode(), signed.encode(), hashlib.sha256).digest())


def _openssl(jwk, alg, signed, signature):
    kty, curve, digest, half, options = _ALGORITHMS[alg]
    assert jwk["kty"] == kty and jwk.get("crv") == curve
    if half is not None:
        if len(signature) != 2 * half:
            return False
        signature = _der(0x30, _integer(signature[:half]) + _integer(signature[half:]))
    with tempfile.TemporaryDirectory() as folder:
        files = {name: os.path.join(folder, name) for name in ("key", "signature", "data")}
        for name, content in (("key", pem(jwk).encode()), ("signature", signature), ("data", signed)):
            with open(files[name], "wb") as file:
                file.write(content)
        if digest is None:
            command = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", files["key"],
                       "-sigfile", files["signature"], "-in", files["data"]]
        else:
            command = ["dgst", "-" + digest, "-verify", files["key"], *options,
                       "-signature", files["signature"], files["data"]]
        return subprocess.run(["openssl", *command], capture_output=True, check=False).returncode == 0
