# SPDX-License-Identifier: MIT
"""The test provider, seen from Python. Standard library only.

    with Provider() as idp:
        idp.approve_next("alice")
        ...
        assert idp.count("token_refresh") == 1
"""

import json
import os
import subprocess
import threading
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AdminError(Exception):
    """The admin interface refused a call."""


class Provider:
    """One running provider.

    Options are those of `tests/idp/start`, with underscores: port, admin_port, host, listen, path,
    state (values), http, verbose (flags). The provider ends with this process, however that ends.
    """

    def __init__(self, *, stderr=None, **options):
        self._options = options
        self._stderr = stderr
        self._process = None
        self.issuer = self.port = self.admin = self.ca_file = self.pid = None
        self.client_key = self.client_certificate = None

    # Life

    def start(self, timeout=180):
        """Starts it and returns when it answers. The first start ever downloads its packages."""
        command = [os.path.join(HERE, "start"), "--stdin"]
        for name, value in self._options.items():
            option = "--" + name.replace("_", "-")
            if value is True:
                command.append(option)
            elif value not in (None, False):
                command += [option, str(value)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self._stderr, text=True)
        timer = threading.Timer(timeout, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            raise RuntimeError(f"the provider did not start (exit status {self._process.wait()})")
        for key, value in json.loads(line).items():
            setattr(self, key, value)
        return self

    def attach(self, ready):
        """Uses a provider that somebody else started; `ready` is its ready line or that, parsed."""
        for key, value in (json.loads(ready) if isinstance(ready, str) else ready).items():
            setattr(self, key, value)
        return self

    def stop(self):
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # The admin interface

    def call(self, method, path, body=None, timeout=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.admin + path, data=data, method=method,
                                         headers={"content-type": "application/json"})
        try:
            with _NO_PROXY.open(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AdminError(json.load(error)["error"]) from None

    def counters(self):
        return self.call("GET", "/counters")

    def reset_counters(self):
        self.call("POST", "/counters/reset")

    def count(self, name):
        """One number out of the counters: an endpoint's requests or an event's occurrences."""
        counters = self.counters()
        return counters["requests"][name] if name in counters["requests"] else counters[name]

    def recent(self, endpoint=None):
        """The latest requests, oldest first: at, endpoint, client_id, login, status, error, fault..."""
        return [r for r in self.counters()["recent"] if endpoint in (None, r["endpoint"])]

    def wait(self, counter, at_least=None, at_most=None, timeout=10):
        """Waits until a counter is within the bounds; its value. TimeoutError if that fails."""
        body = {"counter": counter, "timeout_ms": timeout * 1000}
        if at_least is not None:
            body["at_least"] = at_least
        if at_most is not None:
            body["at_most"] = at_most
        result = self.call("POST", "/wait", body, timeout + 30)
        if not result["reached"]:
            raise TimeoutError(f"{counter} is {result['value']} after {timeout} s")
        return result["value"]

    def codes(self, everything=False):
        """The user codes nobody has answered yet (or all of them), oldest first."""
        return self.call("GET", "/codes" + ("?all" if everything else ""))

    def wait_code(self, timeout=10):
        """The newest pending code, waited for."""
        self.wait("pending_codes", at_least=1, timeout=timeout)
        return self.codes()[-1]

    def approve(self, user_code, login, **details):
        """details: acr, amr, auth_time."""
        self.call("POST", "/approve", {"user_code": user_code, "login": login, **details})

    def deny(self, user_code, error="access_denied"):
        self.call("POST", "/deny", {"user_code": user_code, "error": error})

    def approve_next(self, login, *, deny=False, count=1, delay=0, client_id=None, **details):
        """Approves the next code by itself, `delay` seconds after it was given out; count -1: all."""
        body = {"login": login, "deny": deny, "count": count, "delay_ms": delay * 1000, **details}
        if client_id is not None:
            body["client_id"] = client_id
        self.call("POST", "/approve-next", body)

    def deny_next(self, **details):
        self.approve_next("", deny=True, **details)

    def disarm(self):
        self.call("DELETE", "/approve-next")

    def config(self, **changes):
        return self.call("POST", "/config", changes) if changes else self.call("GET", "/config")

    def reset_config(self):
        return self.call("DELETE", "/config")

    def client(self, **metadata):
        """Adds a client, or replaces one added before; public_key (with key_id) and certificate are PEM."""
        self.call("POST", "/clients", metadata)

    def account(self, login, **claims):
        """Sets claims of an account; None drops a claim, `sub` changes its subject."""
        self.call("POST", "/accounts", {"login": login, "claims": claims})

    def rotate_keys(self, keep_old=False):
        self.call("POST", "/keys/rotate", {"keep_old": keep_old})

    def revoke(self, login):
        """Ends all grants of an account; how many there were."""
        return self.call("POST", "/revoke", {"login": login})["revoked"]

    def tokens(self, login=None):
        return self.call("GET", "/tokens" + (f"?login={login}" if login else ""))

    def secrets(self):
        """All that was given out since reset(), in full: kind, endpoint, value."""
        return self.call("GET", "/secrets")

    def introspect(self, token):
        return self.call("POST", "/introspect", {"token": token})

    def fault(self, endpoint, kind, count=1, **details):
        self.call("POST", "/faults", {"endpoint": endpoint, "kind": kind, "count": count, **details})

    def forge(self, mode, endpoint="token_device", count=1, **details):
        """The next ID token is forged; the modes are in lib/forge.mjs."""
        self.fault(endpoint, "id_token", count, mode=mode, **details)

    def faults(self):
        return self.call("GET", "/faults")

    def clear_faults(self, login=None):
        """All of them, or those for one login."""
        self.call("DELETE", "/faults" + (f"?login={login}" if login else ""))

    def tls(self, certificate="good", **versions):
        """certificate: good, expired, wrong_name, unknown_ca; min_version, max_version: TLSv1.2..."""
        self.call("POST", "/tls", {"certificate": certificate, **versions})

    def drop_connections(self):
        self.call("POST", "/drop-connections")

    def down(self):
        """Refuses connections (and ends those there are) until up()."""
        self.call("POST", "/down")

    def up(self):
        self.call("POST", "/up")

    def reset(self):
        """As freshly started: settings, faults, accounts, counters; every grant and code is gone."""
        self.call("POST", "/reset")
