"""A reader's browser or app that remembers nothing by itself: each call says what it sends."""

from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Literal

import httpx2
from fastapi import FastAPI

from service.identity.cookies import cookie_name
from service.settings import Settings

Kind = Literal["browser", "app"]


def client_of(app: FastAPI, settings: Settings, address: str = "127.0.0.1") -> httpx2.AsyncClient:
    """A client without memory, so that any number of visitors and parallel calls share it."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, client=(address, 123)),
        base_url=settings.public_url,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
    )


@dataclass
class Visitor:
    """`device` is the signed device value, `token` the session's present token in hand."""

    client: httpx2.AsyncClient
    settings: Settings
    kind: Kind = "browser"
    device: str | None = None
    token: str | None = None

    @property
    def session_in_body(self) -> str:
        return "token" if self.kind == "app" else "cookie"

    async def call(
        self, method: str, path: str, json: Any = None, **headers: str
    ) -> httpx2.Response:
        """A call with the device, and with the session where it is a browser."""
        sent = dict(headers)
        cookies = []
        if self.device is not None and self.kind == "app":
            sent["Paywall-Device"] = self.device
        elif self.device is not None:
            cookies.append(self._cookie("device", self.device))
        if self.token is not None and self.kind == "browser":
            cookies.append(self._cookie("session", self.token))
        if cookies:
            sent["Cookie"] = "; ".join(cookies)
        return await self.client.request(method, path, json=json, headers=sent)

    def _cookie(self, name: Literal["device", "session"], value: str) -> str:
        return f"{cookie_name(name, self.settings)}={value}"

    async def ask(self, email: str, **fields: Any) -> httpx2.Response:
        """Ask for a sign-in mail; the device's value is kept."""
        answer = await self.call("POST", "/v1/sign-in", {"email": email, **fields})
        if answer.status_code == 202:
            self.device = answer.json().get("device_token", self.device)
        return answer

    async def confirm(self, **what: Any) -> httpx2.Response:
        """Use a link or code; the new session's token is kept."""
        body = {"session": self.session_in_body, **what}
        answer = await self.call("POST", "/v1/sign-in/confirm", body)
        if answer.status_code == 200:
            self.token = self.handed(answer)
        return answer

    async def refresh(self, token: str | None = None, **fields: str) -> httpx2.Response:
        """Exchange a token, the present one or another, without keeping the answer."""
        token = token or self.token
        if self.kind == "app":
            body = {"refresh_token": token, **fields}
            return await self.call("POST", "/v1/session/token", body)
        sender = Visitor(self.client, self.settings, "browser", self.device, token)
        return await sender.call("POST", "/v1/session/token")

    async def me(self, token: str | None = None) -> httpx2.Response:
        """Who a session's token means where it comes as a cookie."""
        sender = Visitor(self.client, self.settings, "browser", None, token or self.token)
        return await sender.call("GET", "/v1/me")

    async def bearing(
        self, access_token: str, path: str = "/v1/articles/a/access"
    ) -> httpx2.Response:
        """A read with an access token and nothing else."""
        bearer = {"Authorization": f"Bearer {access_token}"}
        return await self.client.get(path, headers=bearer)

    def handed(self, answer: httpx2.Response) -> str | None:
        """The session's token in an answer: in the cookie for browsers, in the body for apps."""
        if self.kind == "app":
            token: str | None = answer.json().get("refresh_token")
            return token
        return answer.cookies.get(cookie_name("session", self.settings))
