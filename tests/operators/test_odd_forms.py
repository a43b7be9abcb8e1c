"""Every form of the back office, empty and with odd fields: it is refused, and never a fault."""

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2
from fastapi.routing import iter_route_contexts

from service.running import PartMissing, RunningApp
from tests.databases import on_sqlite
from tests.operators.conftest import csrf_in

SignedIn = Callable[[str], Awaitable[httpx2.AsyncClient]]
ODD = ("", "x", "²", "9" * 40)
MACHINES = re.compile(
    r"<class|UploadFile|String should match[^<]*|function-after[^<]*|should have at (?:least|most)[^<]*|: \d+\. Go back"
)
"""What only somebody who knows the code could read: expressions, validators, places in a list."""
LEAVES = re.compile(r"/(sign-out|sign-in|account)")
"""Forms about the operator's own session: they would end it."""
pytestmark = on_sqlite


def forms(app: RunningApp) -> list[tuple[str, set[str]]]:
    """The address of each, with anything in the place of ids, and the names of its fields."""
    return [
        (re.sub(r"\{[^}]+\}", "x", path), set(fields(route)))
        for route in iter_route_contexts(list(app.routes))
        for path in (route.path or "",)
        if "POST" in (route.methods or ()) and path.startswith("/admin") and not LEAVES.search(path)
    ]


def fields(route: Any) -> Iterator[str]:
    for each in route.dependant.body_params:
        yield from getattr(each.field_info.annotation, "model_fields", {each.alias: None})


async def test_odd_fields_are_no_fault(app: RunningApp, signed_in: SignedIn) -> None:
    browser = await signed_in("admin")
    csrf = csrf_in((await browser.get("/admin/account")).text)
    faults = []
    asked: set[str] = set()
    found = forms(app)
    for address, names in found:
        for odd in ODD:
            fields = dict.fromkeys(names, odd) | {"csrf": csrf}
            try:
                answer = await browser.post(address, data=fields)
            except PartMissing:
                continue  # the application of these tests sends nothing to other systems
            asked.add(address)
            if answer.status_code >= 500 and answer.status_code != 503:
                faults.append((address, odd, answer.status_code))
            faults += [(address, odd, said) for said in MACHINES.findall(answer.text)]
    assert not faults
    assert len(asked) > 35
    assert sum(len(names) for _, names in found) > 80
