# SPDX-License-Identifier: MIT
"""Callers of the gateway's D-Bus interface in the machine, through the host's libsystemd: the machine needs no client
of its own, and a caller keeps one connection for as long as a login lasts."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_char_p, c_int, c_uint64, c_void_p
from typing import Any

from machine import Machine

NAME = b"org.oidckeyring.Gateway1"
PATH = b"/org/oidckeyring/Gateway1"
# longer than anything may take
PATIENCE_USEC = 90_000_000


class _Error(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("message", c_char_p), ("need_free", c_int)]


_READERS = {"s": c_char_p, "t": c_uint64, "h": c_int}
_lib = ctypes.CDLL("libsystemd.so.0")


class GatewayError(Exception):
    """An error that the gateway answered with; `name` is its last word."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name.removeprefix("org.oidckeyring.Error.")
        self.message = message


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(-result, what)
    return result


class Caller:
    """One connection to the machine's system bus, as root. Calls wait for their answers."""

    def __init__(self, machine: Machine) -> None:
        self._bus = c_void_p()
        address = f"unix:path={machine.mounted('run/dbus/system_bus_socket')}"
        _checked(_lib.sd_bus_new(byref(self._bus)), "sd_bus_new")
        _checked(_lib.sd_bus_set_address(self._bus, address.encode()), "address")
        _checked(_lib.sd_bus_set_bus_client(self._bus, 1), "client")
        _checked(_lib.sd_bus_negotiate_fds(self._bus, 1), "descriptors")
        _checked(_lib.sd_bus_set_method_call_timeout(self._bus, c_uint64(PATIENCE_USEC)), "timeout")
        _checked(_lib.sd_bus_start(self._bus), f"no connection to {address}")

    def call(self, method: str, signature: str, answer: str, *arguments: Any) -> list[Any]:
        """`answer` is the signature of the reply. A descriptor in it is the caller's to close."""
        error, reply = _Error(), c_void_p()
        given = [one.encode() if isinstance(one, str) else one for one in arguments]
        result = _lib.sd_bus_call_method(self._bus, NAME, PATH, NAME, method.encode(), byref(error), byref(reply),
                                         signature.encode(), *given)
        try:
            if result < 0:
                raise GatewayError((error.name or b"").decode(), (error.message or b"").decode())
            return [self._read(reply, kind) for kind in answer]
        finally:
            _lib.sd_bus_error_free(byref(error))
            _lib.sd_bus_message_unref(reply)

    def _read(self, reply: c_void_p, kind: str) -> Any:
        value = _READERS[kind]()
        _checked(_lib.sd_bus_message_read_basic(reply, kind.encode(), byref(value)), "reading an answer")
        if kind == "h":
            return os.dup(value.value)
        return value.value.decode() if kind == "s" else value.value

    def close(self) -> None:
        self._bus = c_void_p(_lib.sd_bus_flush_close_unref(self._bus))

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_lib.sd_bus_flush_close_unref.restype = c_void_p
_lib.sd_bus_message_unref.restype = c_void_p
_lib.sd_bus_message_read_basic.argtypes = [c_void_p, ctypes.c_char, c_void_p]
