# SPDX-License-Identifier: MIT
"""Faults of the matrix that differ in details only. The names are those of docs/fault-matrix.md, or parts of them."""

from __future__ import annotations

from typing import Any, Dict, Tuple

Fault = Tuple[str, Dict[str, Any]]  # of the test provider

# the provider has rotated, and its answer is of no use
LOST: dict[str, Fault] = {
    "connection cut after sending": ("cut_after", {}),
    "truncated 200": ("truncated", {}),
    "malformed 200": ("garbage", {"process": True}),
}
# it is in trouble of its own
TROUBLE: dict[str, Fault] = {
    "500": ("status", {"status": 500}),
    "502 and a page": ("html", {"status": 502}),
    "429": ("status", {"status": 429}),
    "503": ("status", {"status": 503}),
    "temporarily_unavailable": ("json_error", {"error": "temporarily_unavailable"}),
}
# it says that the grant is over, and how often it has to say so
DIALECTS: dict[str, tuple[Fault, int]] = {
    "invalid_grant": (("json_error", {"error": "invalid_grant"}), 1),
    "invalid_grant under 401": (("json_error", {"error": "invalid_grant", "status": 401}), 1),
    "login_required": (("json_error", {"error": "login_required"}), 1),
    "interaction_required, with a code": (
        ("json_error", {"error": "interaction_required", "body": {"error_codes": [50076]}}), 1),
    "400 without a word": (("empty", {"status": 400}), 4),
}
# what it says in expires_in
LIVES: dict[str, Any] = {
    "missing": None, "zero": 0, "negative": -300, "huge": 10 ** 12, "a string": "120", "a word": "soon"}
# what another process of the user does to the key
DAMAGE: dict[str, str] = {
    "key revoked": "keyctl revoke {}",
    "key unlinked": "keyctl unlink {} @u",
    "key overwritten": "keyctl update {} evil",
    "keyring cleared": "keyctl clear @u",
}
