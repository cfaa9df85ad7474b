# SPDX-License-Identifier: MIT
"""An HTTP proxy that can do nothing but CONNECT, and remembers what it was asked."""

from __future__ import annotations

import select
import socket
import socketserver
import threading


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(4096)
            if not data:
                return
            head += data
        self.server.heads.append(head.decode())
        host, _, port = head.split(b" ")[1].rpartition(b":")
        with socket.create_connection((host.decode().strip("[]"), int(port))) as there:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            ends = {self.request: there, there: self.request}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)


class ConnectProxy(socketserver.ThreadingTCPServer):
    """Serves within `with`; `heads` are the requests so far."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.heads: list[str] = []
        self.port = self.server_address[1]

    def __enter__(self) -> ConnectProxy:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
