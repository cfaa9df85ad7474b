# SPDX-License-Identifier: MIT
"""What the tests of the test provider speak to it with."""

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

import jws

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Client:
    """A relying party that talks to the provider and keeps nothing."""

    def __init__(self, idp, client_id="ssh-login", secret=None, post=False):
        self.idp, self.client_id, self.secret, self.post_secret = idp, client_id, secret, post
        self.context = ssl.create_default_context(cafile=idp.ca_file) if idp.ca_file else None

    def http(self, url, form=None, headers=None, timeout=10):
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, data=data, headers=headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self.context))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            body = error.read()
            try:
                return error.code, json.loads(body)
            except ValueError:
                return error.code, body

    def get(self, path, **kwargs):
        return self.http(self.idp.issuer + path, **kwargs)

    def post(self, path, form, **kwargs):
        headers = {}
        form = dict(form)
        if self.secret is None or self.post_secret:
            form["client_id"] = self.client_id
        if self.secret is not None and self.post_secret:
            form["client_secret"] = self.secret
        elif self.secret is not None:
            pair = ":".join(urllib.parse.quote_plus(p) for p in (self.client_id, self.secret))
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return self.http(self.idp.issuer + path, form, headers, **kwargs)

    def begin(self, scope="openid offline_access", **more):
        return self.post("/device/auth", {"scope": scope, **more})

    def poll(self, device_code, **kwargs):
        return self.post("/token", {"grant_type": DEVICE, "device_code": device_code}, **kwargs)

    def refresh(self, refresh_token, **more):
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": refresh_token, **more})

    def log_in(self, login="alice", **more):
        _, challenge = self.begin(**more)
        self.idp.approve(challenge["user_code"], login)
        status, tokens = self.poll(challenge["device_code"])
        assert status == 200, tokens
        return tokens

    def whoami(self, token):
        return self.get("/api/whoami", headers={"authorization": "Bearer " + token})

    def verified(self, token):
        return jws.verified(token, self.get("/jwks")[1]["keys"])
