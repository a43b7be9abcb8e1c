"""Planting the canaries by the API, and taking them away again."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from service.leakcheck.canary import SOURCE, Canary

_TRIES = 50
_PAUSE_SECONDS = 0.2


class CannotCheck(Exception):
    """The check can't be made; the text says why and what to do."""


class Publisher:
    """The API with a key that may publish. Only articles that a leak check planted are changed."""

    def __init__(self, client: httpx.AsyncClient, api: str, key: str) -> None:
        self._client = client
        self._api = api
        self._key = {"Authorization": f"Bearer {key}"}
        self._planted: dict[str, None] = {}

    @asynccontextmanager
    async def planted(self, planted: Sequence[Canary], now: datetime) -> AsyncIterator[None]:
        """With the canaries in the newspaper; at the end, also an interrupted one, they are gone."""
        try:
            for canary in planted:
                await self.put(canary.slug, canary.document(now))
            for canary in planted:
                if canary.kind not in {"draft", "scheduled"}:
                    await self._wait_for(canary)
            yield
        finally:
            await self.clean()

    async def put(self, slug: str, document: Mapping[str, Any]) -> None:
        """Publish an article that is there for this check alone. CannotCheck where it is somebody's."""
        known = await self._asked("GET", slug)
        if known.status_code == httpx.codes.OK and SOURCE not in known.json()["source_ids"]:
            raise CannotCheck(
                f"There is an article {slug} that no leak check planted. Give it another slug first."
            )
        self._planted[slug] = None
        answer = await self._asked("PUT", slug, document)
        if not answer.is_success:
            raise CannotCheck(
                f"Publishing {slug} was answered {answer.status_code}: {answer.text[:200]}"
            )

    async def clean(self) -> None:
        """Delete what was planted, with all that it left in reports; CannotCheck names what couldn't be."""
        left = []
        while self._planted:
            slug, _ = self._planted.popitem()
            try:
                answer = await self._asked("DELETE", slug, of="canaries")
                done = answer.is_success or answer.status_code == httpx.codes.NOT_FOUND
            except CannotCheck:
                done = False
            if not done:
                left.append(slug)
        if left:
            raise CannotCheck(
                f"These test articles couldn't be deleted: {', '.join(left)}. Withdraw them yourself."
            )

    async def _asked(
        self,
        method: str,
        slug: str,
        document: Mapping[str, Any] | None = None,
        *,
        of: str = "articles",
    ) -> httpx.Response:
        url = f"{self._api}/v1/admin/{of}/{slug}"
        try:
            answer = await self._client.request(method, url, json=document, headers=self._key)
        except httpx.HTTPError as error:
            raise CannotCheck(f"{self._api} can't be reached: {type(error).__name__}.") from error
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise CannotCheck("The API key isn't taken: it needs the scope articles:write.")
        return answer

    async def _wait_for(self, canary: Canary) -> None:
        """Until every process has the article: a check of what isn't there yet would show nothing."""
        url = f"{self._api}/v1/articles/{canary.slug}"
        for _ in range(_TRIES):
            answer = await self._client.get(url, headers={"Cache-Control": "no-cache"})
            if canary.public in answer.text:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise CannotCheck(
            f"{url} doesn't show the test article after {_TRIES * _PAUSE_SECONDS:g} seconds. Is a cache before it?"
        )
