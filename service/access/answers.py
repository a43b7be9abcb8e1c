"""What a decision looks like on the wire, and the cookie that goes with it."""

from typing import Any

from fastapi import Request, Response

from service.access.decision import Meter
from service.access.reasons import REASONS
from service.access.schemas import AccessOut, MeterOut, UnlockIn
from service.access.unlock import Look, Opened, ReadRequest, Walled, unlock
from service.access.unlock_tokens import UnlockTokens
from service.clock import Clocks
from service.content.cache import ArticleCache
from service.content.teaser import instant_text
from service.db.context import context_in
from service.html.public_answer import json_bytes
from service.identity.callers import Caller
from service.identity.devices import DeviceKey
from service.identity.handover import remember_device
from service.identity.touches import touch_of
from service.metering.meter import Metering
from service.metering.window import MeterState
from service.problems import Problem
from service.running import running_of


def access_answer(seen: Look) -> AccessOut:
    outcome = seen.outcome
    return AccessOut(
        granted=seen.wall is None,
        reason=outcome.reason,
        reason_text=seen.wall.note if seen.wall is not None else REASONS[outcome.reason].readers,
        would_consume=isinstance(outcome, Meter) and outcome.consumes,
        meter=MeterOut.of(seen.meter),
        wall=seen.wall,
    )


async def unlock_answer(request: Request, read: ReadRequest, wanted: UnlockIn) -> Response:
    """Unlock the article, and say what came of it. Raises like `unlock`."""
    running = running_of(request)
    context = context_in(running)
    referrer = request.headers.get("Referer") if wanted.referrer is None else wanted.referrer
    touch = touch_of(referrer, wanted.campaign, context.settings)
    outcome = await unlock(context, running.get(Metering), read, touch)
    if isinstance(outcome, Walled):
        return _walled_answer(request, outcome, read.caller)
    return _opened_answer(request, read, outcome, wants_token=wanted.token)


def _opened_answer(
    request: Request, read: ReadRequest, opened: Opened, *, wants_token: bool
) -> Response:
    """200 with the text, and where wanted the token for it."""
    article, caller = read.article, read.caller
    running = running_of(request)
    head = {
        "granted": True,
        "reason": opened.reason,
        "reason_text": REASONS[opened.reason].readers,
        "consumed": opened.consumed,
    }
    content: dict[str, Any] = {"meter": _meter(opened.meter)}
    if wants_token:
        token, expires_at = running.get(UnlockTokens).token(
            holder_id=opened.holder_id,
            article=article.slug,
            reason=opened.reason,
            session_id=caller.session_id,
            now=running.get(Clocks).wall(),
        )
        content |= {"token": token, "token_expires_at": instant_text(expires_at)}
    content |= _device_member(request, caller, opened.device_id)
    whole = running.get(ArticleCache).whole(article, running.get(Clocks).business())
    # Spliced in: the text, by far the most of it, isn't encoded for each reader anew.
    parts = json_bytes(head)[:-1], b'"article":' + whole, json_bytes(content)[1:]
    response = Response(b",".join(parts), media_type="application/json")
    remember_device(request, response, caller, opened.device_id)
    return response


def _walled_answer(request: Request, walled: Walled, caller: Caller) -> Response:
    """402 with the wall: returned, not raised, so that its row in the ledger stays."""
    members: dict[str, Any] = {
        "granted": False,
        "reason": walled.wall.reason,
        "reason_text": walled.wall.note,
        "wall": walled.wall.model_dump(mode="json"),
        "meter": _meter(walled.meter),
        **_device_member(request, caller, walled.device_id),
    }
    response = Problem("walled", walled.wall.text, **members).response()
    remember_device(request, response, caller, walled.device_id)
    return response


def _meter(state: MeterState | None) -> dict[str, Any] | None:
    shown = MeterOut.of(state)
    return shown.model_dump(mode="json") if shown is not None else None


def _device_member(request: Request, caller: Caller, device_id: str) -> dict[str, str]:
    if caller.holds_cookie:
        return {}
    return {"device_token": running_of(request).get(DeviceKey).sign(device_id)}
