"""No text that is stored as one line or as a name holds what nobody sees: each string of each body and form."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.inside import Paywall

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True, scope="module"),
]
HIDDEN = (
    "\x07\x1b\x7f\x85\u2028\u2029\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
SPACES = "\u200b\u180e"
BREAKS = "\n\r\t"
WRITING = {"POST", "PUT", "PATCH"}
COMPARED_BY_NAME = {
    "ArticleIn.section", "ArticleIn.tags", "NamedLevelIn.name", "NamedMeterIn.sections", "NamedMeterIn.tags",
    "PromptIn.name", "PromptIn.sections", "PromptIn.offers", "ExperimentIn.sections", "WordsIn.offers",
    "CrawlersIn.licensed_sections", "Campaign.source", "put(reference)",
}  # fmt: skip
PARAGRAPHS = {
    "ArticleIn.body",
    "ArticleIn.standfirst",
    "WallIn.text",
    "PromptIn.text",
    "WordsIn.text",
}
COMPARED = "compared with what we gave, and never stored"
REFUSED = "refused by the verb that stores it: tests/operators/test_offers.py, test_api.py, test_webhooks.py"
READ = "read as a file or a key, by rules of its own"
ADDRESS = "an address: the verb takes it apart"
ELSEWHERE = {
    "wanted_article(slug)": COMPARED, "complete(session_id)": COMPARED, "redeem_gift(token)": COMPARED,
    "take(invitation)": COMPARED, "UnlockIn.gift": COMPARED, "ConfirmIn.token": COMPARED,
    "ConfirmIn.request_id": COMPARED, "ConfirmIn.code": COMPARED, "RefreshIn.refresh_token": COMPARED,
    "AddressConfirmIn.token": COMPARED, "take_purchase_over(purchase_id)": COMPARED,
    "post_start(slug)": COMPARED, "post_stop(slug)": COMPARED, "put_experiment(slug)": COMPARED, "change(slug)": COMPARED,
    "OperatorIn.password": COMPARED,
    "UnlockIn.referrer": ADDRESS, "CheckoutIn.referrer": ADDRESS, "CheckoutIn.return_to": ADDRESS,
    "PortalIn.return_to": ADDRESS, "SignInIn.return_to": ADDRESS, "SignInIn.email": ADDRESS,
    "publish_article(slug)": "a slug: tests/surface/test_bad_input.py",
    "InstitutionFile.csv": READ, "RightFile.csv": READ, "AddressListIn.list": READ, "CrawlerIn.keys": READ,
    "OfferIn.name": REFUSED, "OfferIn.plan": REFUSED, "OfferChangeIn.name": REFUSED, "ViewIn.name": REFUSED,
    "ViewIn.filters": READ, "ApiKeyIn.label": REFUSED, "OperatorIn.email": REFUSED, "EndpointIn.url": REFUSED,
    "EndpointIn.description": REFUSED, "EndpointIn.types": REFUSED, "EndpointChange.types": REFUSED,
    "NoteIn.text": "cleaned where it is stored: tests/operators/test_care.py",
}  # fmt: skip
"""What isn't cleaned where it is read, and why not."""
OWN_FIELDS = ("send_comp(note)", "send_claim(number)", "send_claim(postcode)")
Leaf = tuple[str, tuple[Any, ...]]


def leaves(name: str, kind: Any, meta: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    """The strings in a type, each with its name and with what its annotations ask of it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from leaves(name, inner[0], (*inner[1:], *meta))
    elif origin in {Union, types.UnionType}:
        for each in inner:
            yield from leaves(name, each, meta)
    elif origin is Literal:
        return
    elif origin is not None:
        for each in inner:
            yield from leaves(name, each)
    elif kind is str:
        yield name, meta
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for field, info in kind.model_fields.items():
            yield from leaves(f"{kind.__name__}.{field}", info.annotation, tuple(info.metadata))


def sent(dependant: Dependant) -> Iterator[Leaf]:
    """What a request may write: its body or form, and the names in its path."""
    for inner in dependant.dependencies:
        yield from sent(inner)
    for each in (*dependant.body_params, *dependant.path_params):
        info = each.field_info
        name = f"{dependant.call.__name__}({each.name})"  # type: ignore[union-attr]
        yield from leaves(name, info.annotation, tuple(info.metadata))


def written(paywall: Paywall, below: str) -> dict[str, tuple[Any, ...]]:
    """The strings that state-changing routes below this path are sent."""
    found: dict[str, tuple[Any, ...]] = {}
    for route in iter_route_contexts(list(paywall.app.routes)):
        if (route.path or "").startswith(below) and (route.methods or set()) & WRITING:
            found.update(sent(route.dependant))
    return found


def kept(meta: tuple[Any, ...], signs: str) -> bool:
    """Whether a string with these annotations is taken with one of the signs, and still has it."""
    adapter = TypeAdapter[str](Annotated[(str, *meta)] if meta else str)
    for sign in signs:
        try:
            if sign in adapter.validate_python(f"ab{sign}cd"):
                return True
        except ValidationError:
            continue
    return False


async def test_no_body_of_the_api_brings_in_what_nobody_sees(paywall: Paywall) -> None:
    strings = written(paywall, "/v1/")
    assert set(ELSEWHERE) <= set(strings)
    assert [name for name in set(strings) - set(ELSEWHERE) if kept(strings[name], HIDDEN)] == []


async def test_names_that_are_compared_have_no_spaces_of_no_width(paywall: Paywall) -> None:
    strings = written(paywall, "/v1/")
    assert set(strings) >= COMPARED_BY_NAME
    assert [name for name in COMPARED_BY_NAME if kept(strings[name], SPACES)] == []


async def test_only_texts_of_several_lines_keep_line_breaks(paywall: Paywall) -> None:
    strings = written(paywall, "/v1/")
    breaking = {name for name, meta in strings.items() if kept(meta, BREAKS)} - set(ELSEWHERE)
    assert breaking == PARAGRAPHS


async def test_forms_clean_what_no_body_of_the_api_has_read(paywall: Paywall) -> None:
    strings = {**written(paywall, "/account"), **written(paywall, "/admin")}
    assert [name for name in OWN_FIELDS if kept(strings[name], HIDDEN + BREAKS)] == []
