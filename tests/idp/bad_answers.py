# SPDX-License-Identifier: MIT
"""The one table of bad answers: what a provider in trouble, a box between, or a thief can say instead of the truth.

Each is a fault of the test provider. `harmless` ones leave an answer that may be used all the same: nothing must come
of them but a refusal or what the truth would have brought. All others have to end in a refusal, at every endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable

ESC = "\x1b"
# what no terminal may be shown, as text of a JSON string
UNCLEAN = {
    "escape": f"{ESC}[2J{ESC}[1;1Hroot@host:~# ",
    "title": f"{ESC}]0;pwned\x07",
    "c1": "\u009b2J\u0090q\u009c",
    "bidi": "moc.elpmaxe\u202e//:sptth\u202c\u2066\u2069",
    "zero-width": "https://id\u200b.example\ufeff",
    "line-separator": "a\u2028b\u2029c\u0085d",
    "newline": "a\r\nb\nPassword: ",
    "backspace": "evil\b\b\b\bgood\x7f",
    "tags": "a\U000e0041\U000e0042b",
    "surrogate": "a\ud800b",
    "nul": "a\0b",
    "format": "%s%s%s%n%n%n%1000000d",
    "shell": "$(id)`id`;id|id&&id",
}
# addresses that nobody must be sent to, nor any request
ADDRESSES = {
    "script": "javascript:alert(1)",
    "file": "file:///etc/passwd",
    "data": "data:text/html,<script>alert(1)</script>",
    "http": "http://id.example.test/device",
    "ftp": "ftp://id.example.test/",
    "gopher": "gopher://127.0.0.1:25/_HELO",
    "ldap": "ldap://id.example.test/",
    "unix": "unix:///run/dbus/system_bus_socket",
    "relative": "/device",
    "no-scheme": "//id.example.test/device",
    "user": "https://alice:secret@id.example.test/",
    "user-only": "https://id.example.test@evil.example.test/",
    "no-host": "https:///device",
    "no-host-port": "https://:443/",
    "blank": "https://id.example.test/a b",
    "tab": "https://id.example.test/\t",
    "line": "https://id.example.test/\r\nHost: evil.example.test",
    "escape": f"https://id.example.test/{ESC}[2J",
    "c1": "https://id.example.test/\u009b2J",
    "bidi": "https://id.example.test/\u202ecod",
    "letters": "https://\u0456d.example.test/",
    "quote": 'https://id.example.test/"><script>',
    "backslash": "https://id.example.test\\@evil.example.test/",
    "long": "https://id.example.test/" + "x" * 4096,
    "empty": "",
}
WRONG_TYPES: dict[str, Any] = {"true": True, "number": 7, "list": ["x"], "object": {"x": "y"}, "huge": "x" * 200_000}
NUMBERS: dict[str, Any] = {"negative": -1, "zero": 0, "large": 1e300, "small": 1e-300, "fraction": 0.5,
                           "words": "soon", "negative-text": "-1", "hex": "0x10", "max": 2 ** 64, "list": [1]}

ERRORS = ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
          "invalid_scope", "access_denied", "expired_token", "authorization_pending", "slow_down", "server_error",
          "temporarily_unavailable", "invalid_target", "invalid_token", "unsupported_token_type",
          "insufficient_scope", "interaction_required", "login_required", "consent_required",
          "account_selection_required", "invalid_dpop_proof", "use_dpop_nonce", "insufficient_user_authentication",
          # not registered
          "", " ", "no_such_error", "ACCESS_DENIED", "authorization_pending ", "__proto__", "x" * 5000)

# What tests of an endpoint may have it answer itself. "documents" are fetched without secrets.
DOCUMENTS = ("discovery", "jwks")
POSTED = ("device_authorization", "token_device", "token_refresh", "revocation")
ENDPOINTS = (*DOCUMENTS, *POSTED)


@dataclass(frozen=True)
class BadAnswer:
    name: str
    kind: str
    details: dict[str, Any] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ENDPOINTS
    harmless: tuple[str, ...] = ()  # at these endpoints

    def strike(self, idp: Any, endpoint: str, count: int = -1, **which: str) -> None:
        idp.fault(endpoint, self.kind, count, **self.details, **which)


def _statuses() -> Iterable[BadAnswer]:
    for status in (201, 202, 203, 205, 206, 299, 300, 301, 302, 303, 305, 307, 308, 399, 400, 401, 402, 403, 404, 405,
                   406, 408, 409, 410, 413, 414, 415, 418, 421, 422, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502,
                   503, 504, 505, 507, 508, 511, 599):
        # RFC 7009 2.2.1: the status says all of it
        harmless = ("revocation",) if status < 300 else ()
        yield BadAnswer(f"status-{status}", "status", {"status": status}, harmless=harmless)
    for name, value in (("negative", "-1"), ("nonsense", "soon"), ("past", "Thu, 01 Jan 1970 00:00:00 GMT"),
                        ("zero", "0"), ("overflow", "9" * 4 + "x")):
        yield BadAnswer(f"retry-after-{name}", "status", {"status": 503, "headers": {"retry-after": value}})


def _errors() -> Iterable[BadAnswer]:
    for number, error in enumerate(ERRORS):
        # an unknown or spent token is what was wanted
        harmless = ("revocation",) if error in ("invalid_grant", "interaction_required", "login_required",
                                                "consent_required") else ()
        name = error if error.isprintable() and 0 < len(error.strip()) == len(error) < 50 else f"unregistered-{number}"
        yield BadAnswer(f"error-{name}", "json_error", {"error": error}, POSTED, harmless)
    for status in (200, 401, 403, 500):
        yield BadAnswer(f"error-under-{status}", "json_error", {"error": "invalid_request", "status": status}, POSTED,
                        ("revocation",) if status == 200 else ())
    for name, text in UNCLEAN.items():
        yield BadAnswer(f"error-{name}", "json_error", {"error": text, "error_description": text}, POSTED)
    yield BadAnswer("error-description-huge", "json_error", {"error_description": "x" * 100_000}, POSTED)
    for name, value in WRONG_TYPES.items():
        yield BadAnswer(f"error-as-{name}", "json_error", {"error": value}, POSTED)


def _bodies() -> Iterable[BadAnswer]:
    revocation = ("revocation",)  # RFC 7009 2.2: of its answer only the status counts
    for kind, details in (("garbage", {}), ("html", {}), ("empty", {}), ("deep", {}), ("huge", {"bytes": 4 << 20}),
                          ("headers", {}), ("gzip", {})):
        harmless = revocation if kind in ("garbage", "html", "empty", "deep", "gzip") else ()
        yield BadAnswer(kind, kind, details, harmless=harmless)
    for name, body in {
            "null": "null", "true": "true", "number": "1", "string": '"x"', "list": "[]", "object": "{}",
            "open": "{", "closed": "}", "two": "{}{}", "comma": '{"a":1,}', "single-quotes": "{'a':1}",
            "comment": '/**/{"a":1}', "nan": '{"a":NaN}', "infinity": '{"a":-Infinity}',
            "nul-escape": '{"a":"\\u0000"}',
            "duplicate": '{"issuer":"a","issuer":"b","access_token":"a","access_token":"b"}',
            "duplicate-escape": '{"issuer":"a","i\\u0073suer":"b"}', "many": "{" + '"a":{' * 2000 + "}" * 2001,
            "long-number": '{"expires_in":' + "9" * 5000 + "}", "long-name": '{"' + "a" * 100_000 + '":1}',
            "bom": "\ufeff{}"}.items():
        yield BadAnswer(f"body-{name}", "status", {"status": 200, "body": body, "headers": {
            "content-type": "application/json"}}, harmless=revocation)
    for name, body in {"utf-16": "\xff\xfe{\0}\0", "latin-1": '{"a":"\xe9"}', "overlong": '{"a":"\xc0\xaf"}',
                       "surrogate": '{"a":"\xed\xa0\x80"}', "nul": '{"a":1}\0', "control": '{"a":"\x01"}'}.items():
        yield BadAnswer(f"bytes-{name}", "status", {"status": 200, "body": body, "encoding": "latin1", "headers": {
            "content-type": "application/json"}}, harmless=revocation)


def _connections() -> Iterable[BadAnswer]:
    for kind in ("cut", "cut_after", "reset"):
        yield BadAnswer(kind.replace("_", "-"), kind)
    yield BadAnswer("truncated", "truncated", harmless=("revocation",))  # whose answer has nothing to lose
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    for name, body in {
            "no-http": "SSH-2.0-OpenSSH_9.2\r\n", "http-0.9": "<html>hello</html>", "nothing": "",
            "status-line-only": "HTTP/1.1 200 OK", "no-end-of-headers": head, "line-feeds": "\n" * 5000,
            "http-9": "HTTP/9.9 200 OK\r\n\r\n{}", "status-0": "HTTP/1.1 000 No\r\n\r\n{}",
            "status-99": "HTTP/1.1 99 No\r\n\r\n{}", "status-words": "HTTP/1.1 abc OK\r\n\r\n{}",
            "status-negative": "HTTP/1.1 -200 OK\r\n\r\n{}", "status-1000": "HTTP/1.1 1000 OK\r\n\r\n{}",
            "status-600": "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\n{}",
            "switching": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "early-hints-only": "HTTP/1.1 103 Early Hints\r\n\r\n",
            "two-lengths": head + "Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}",
            "negative-length": head + "Content-Length: -1\r\n\r\n{}",
            "length-words": head + "Content-Length: two\r\n\r\n{}",
            "length-overflow": head + "Content-Length: 99999999999999999999999\r\n\r\n{}",
            "length-too-long": head + "Content-Length: 9999\r\n\r\n{}",
            "length-and-chunks": head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0;\r\n",
            "chunk-words": head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
            "chunk-overflow": head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            "chunk-negative": head + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
            "chunk-cut": head + "Transfer-Encoding: chunked\r\n\r\n2000\r\n{}",
            "chunk-no-end": head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            "transfer-unknown": head + "Transfer-Encoding: exotic\r\n\r\n{}",
            "header-nul": head + "X: a\0b\r\nContent-Length: 2\r\n\r\n{",
            "header-line": head + "X: " + "a" * 300_000 + "\r\n\r\n{}",
            "header-escape": f"HTTP/1.1 502 {ESC}[2J\r\nServer: {ESC}]0;x\x07\r\nContent-Length: 0\r\n\r\n"}.items():
        # RFC 7009 2.2: of a revocation's answer only the status counts
        harmless = ("revocation",) if " 200 OK\r\n" in body else ()
        yield BadAnswer(f"raw-{name}", "raw", {"body": body, "encoding": "latin1"}, harmless=harmless)
    yield BadAnswer("raw-continue-flood", "raw", {"body": "HTTP/1.1 100 Continue\r\n\r\n", "repeat": 5000})
    yield BadAnswer("raw-header-flood", "raw", {"body": head + "X: y\r\n" * 5000, "repeat": 1})
    yield BadAnswer("raw-binary", "raw", {"body": "".join(map(chr, range(256))) * 20, "encoding": "latin1"})


def _redirects(elsewhere: str) -> Iterable[BadAnswer]:
    """`elsewhere` is where no request must arrive, HOST:PORT."""
    for status in (301, 302, 303, 307, 308):
        for scheme in ("http", "https"):
            yield BadAnswer(f"redirect-{status}-{scheme}", "redirect",
                            {"status": status, "location": f"{scheme}://{elsewhere}/token"})
    for name, location in {"same-host": "/jwks", "loop": "/.well-known/openid-configuration", "empty": "",
                           "file": "file:///etc/passwd", "script": "javascript:1", "long": "/" + "x" * 20_000,
                           "user": f"https://a:b@{elsewhere}/", "network": f"//{elsewhere}/"}.items():
        yield BadAnswer(f"redirect-{name}", "redirect", {"status": 307, "location": location})


def _member(endpoint: str, name: str, values: dict[str, Any], harmless: bool) -> Iterable[BadAnswer]:
    for what, value in {"missing": None, **values}.items():
        yield BadAnswer(f"{name}-{what}", "tamper", {"patch": {name: value}}, (endpoint,),
                        (endpoint,) if harmless else ())


def _members(issuer: str) -> Iterable[BadAnswer]:
    unclean = {name: value for name, value in UNCLEAN.items() if name not in ("format", "shell")}
    yield from _member("device_authorization", "device_code", {**WRONG_TYPES, "empty": "", **unclean}, False)
    yield from _member("device_authorization", "user_code", {**WRONG_TYPES, "empty": "", **unclean}, False)
    yield from _member("device_authorization", "verification_uri", {**WRONG_TYPES, **ADDRESSES}, False)
    yield from _member("device_authorization", "verification_uri_complete", {**WRONG_TYPES, **ADDRESSES}, True)
    yield from _member("device_authorization", "expires_in", {**WRONG_TYPES, **NUMBERS}, True)
    yield from _member("device_authorization", "interval", {**WRONG_TYPES, **NUMBERS}, True)
    yield from _member("token_device", "access_token", {**WRONG_TYPES, "empty": "", **unclean}, False)
    yield from _member("token_device", "id_token", {**WRONG_TYPES, "empty": "", **unclean, "words": "a.b.c"}, False)
    yield from _member("token_device", "refresh_token", {**WRONG_TYPES, "empty": "", **unclean}, False)
    for endpoint in ("token_device", "token_refresh"):
        yield from _member(endpoint, "token_type", {**WRONG_TYPES, "empty": "", "mac": "mac", "dpop": "DPoP",
                                                    "blank": "Bearer "}, False)
    yield from _member("token_device", "expires_in", {**WRONG_TYPES, **NUMBERS}, True)
    yield from _member("token_device", "scope", {**WRONG_TYPES, **UNCLEAN}, True)
    addresses = {name: value for name, value in ADDRESSES.items() if name != "letters"}
    for name in ("device_authorization_endpoint", "token_endpoint", "jwks_uri"):
        yield from _member("discovery", name, {**WRONG_TYPES, **addresses}, False)
    yield from _member("discovery", "revocation_endpoint", {**WRONG_TYPES, **addresses}, True)
    yield from _member("discovery", "issuer", {
        **WRONG_TYPES, "empty": "", "slash": f"{issuer}/", "upper": issuer.upper(),
        "other": "https://evil.example.test",
        "longer": f"{issuer}0", "shorter": issuer[:-1], "query": f"{issuer}?x", "fragment": f"{issuer}#",
        "user": issuer.replace("//", "//x@"), "http": issuer.replace("https", "http"), **unclean}, False)
    for name, keys in {"missing": None, "object": {}, "text": "x", "empty": [], "numbers": [1, 2],
                       "secrets": [{"kty": "oct", "k": "AA"}], "empty-ones": [{}] * 5000,
                       "nested": [[[[{}]]]]}.items():
        yield BadAnswer(f"keys-{name}", "tamper", {"patch": {"keys": keys}}, ("jwks",))


def bad_answers(issuer: str, elsewhere: str) -> list[BadAnswer]:
    table = [*_statuses(), *_errors(), *_bodies(), *_connections(), *_redirects(elsewhere), *_members(issuer)]
    assert len({(answer.name, answer.endpoints) for answer in table}) == len(table)
    return table


def of(table: list[BadAnswer], endpoint: str) -> list[BadAnswer]:
    return [answer for answer in table if endpoint in answer.endpoints]
