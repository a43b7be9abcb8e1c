"""Rights from elsewhere in the back office: the page, the file, and the list for Google."""

import csv
from collections.abc import AsyncIterator
from datetime import timedelta
from io import StringIO

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import Grant
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.operators.conftest import csrf_in
from tests.passwords import QUICK

pytestmark = on_sqlite
PAGE = "/admin/entitlements"


@pytest.fixture
async def paywall(
    database: Database, settings: Settings, clocks: MovingClocks
) -> AsyncIterator[Paywall]:
    """With three rights, and an operator's session."""
    async with inside(database, settings, clocks) as made:
        async with database.transaction() as session:
            operator = await create_operator(
                session, email="boss@example.org", password="correct horse battery", role="admin",
                now=clocks.wall(), passwords=QUICK,
            )  # fmt: skip
            secret = await open_operator_session(
                session, operator, now=clocks.wall(), settings=settings
            )
        made.client.cookies.set(cookie_name("operator", settings), secret)
        for number in range(3):
            clocks.travel(timedelta(seconds=1))
            answer = await made.client.put(
                f"/v1/admin/entitlements/print/KD-{number}", headers=made.staff,
                json={"plan": "digital", "email": f"r{number}@example.org"},
            )  # fmt: skip
            assert answer.status_code == 200
        yield made


async def test_the_page_lists_filters_and_ends(paywall: Paywall) -> None:
    shown = (await paywall.client.get(PAGE)).text
    assert shown.index("KD-2") < shown.index("KD-1") < shown.index("KD-0")
    assert "Nobody yet" in shown
    ended = await paywall.client.post(
        f"{PAGE}/end", data={"csrf": csrf_in(shown), "source": "print", "reference": "KD-1"}
    )
    assert (ended.status_code, ended.headers["Location"]) == (303, PAGE)
    over = (await paywall.client.get(f"{PAGE}?state=over&source=print")).text
    assert "KD-1" in over
    assert "KD-0" not in over
    assert "No right fits." in (await paywall.client.get(f"{PAGE}?query=other")).text


async def test_a_form_without_the_sessions_field_changes_nothing(paywall: Paywall) -> None:
    sent = await paywall.client.post(f"{PAGE}/end", data={"source": "print", "reference": "KD-1"})
    assert sent.status_code == 403
    assert "KD-1" in (await paywall.client.get(f"{PAGE}?state=live")).text


async def test_the_file_has_all_of_the_filtered_list(paywall: Paywall) -> None:
    answer = await paywall.client.get(
        "/v1/admin/entitlements.csv?source=print&limit=1", headers=paywall.staff
    )
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(answer.text)))
    assert [row["reference"] for row in rows] == ["KD-2", "KD-1", "KD-0"]
    assert "email" not in rows[0]


async def test_readers_for_google_have_its_names_and_its_longest_end(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    linked = [await paywall.sign_in("plan:digital"), await paywall.sign_in("everything")]
    await paywall.sign_in("section:arts")
    await paywall.sign_in()

    async def page(cursor: str | None) -> tuple[list[dict[str, object]], str | None]:
        asked = {
            "publication": "example.org",
            "limit": "1",
            **({"cursor": cursor} if cursor else {}),
        }
        answer = await paywall.client.get(
            "/v1/admin/subscription-linking", params=asked, headers=paywall.staff
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["items"], answer.json()["next_cursor"]

    first, cursor = await page(None)
    second, end = await page(cursor)
    assert end is None
    assert [each["ppid"] for each in (*first, *second)] == sorted(linked)
    async with paywall.database.reading() as session:
        grant = await session.scalar(select(Grant).where(Grant.scope == "plan:digital"))
    assert grant is not None
    shown = {each["ppid"]: each["entitlements"] for each in (*first, *second)}
    assert shown[linked[0]] == [
        {
            "productId": "example.org:digital", "subscriptionToken": grant.id, "detail": "digital",
            "expireTime": (clocks.business() + timedelta(days=398)).isoformat().replace("+00:00", "Z"),
        }
    ]  # fmt: skip


async def test_a_publication_must_be_named(paywall: Paywall) -> None:
    for asked in ("", "?publication=", "?publication=a:b", "?publication=x&other=1"):
        answer = await paywall.client.get(
            f"/v1/admin/subscription-linking{asked}", headers=paywall.staff
        )
        assert answer.status_code == 422, asked


async def test_institutions_are_added_refused_and_ended_on_their_page(paywall: Paywall) -> None:
    page = "/admin/institutions"
    csrf = csrf_in((await paywall.client.get(page)).text)
    typed = {
        "csrf": csrf, "slug": "city-library", "name": "City <Library>", "plan": "digital",
        "domains": "library.example", "networks": "192.0.2.0/24\n2001:db8::/32", "until": "2026-12-31",
    }  # fmt: skip
    saved = await paywall.client.post(page, data=typed)
    assert (saved.status_code, saved.headers["Location"]) == (303, page)
    shown = (await paywall.client.get(page)).text
    assert "City &lt;Library&gt;" in shown
    assert "192.0.2.0/24, 2001:db8::/32" in shown
    filled = (await paywall.client.get(f"{page}?slug=city-library")).text
    assert 'value="2026-12-31"' in filled
    assert "192.0.2.0/24\n2001:db8::/32</textarea>" in filled
    for wrong, told in (
        ({"networks": "192.0.2.7/24"}, "The network is 192.0.2.0/24."), ({"slug": "A b"}, "short name"),
        ({"until": "soon"}, "a date. Write it like"), ({"plan": ""}, "plan: "),
    ):  # fmt: skip
        refused = await paywall.client.post(page, data={**typed, **wrong})
        assert (refused.status_code, told in refused.text) == (422, True), wrong
    ended = await paywall.client.post(f"{page}/end", data={"csrf": csrf, "slug": "city-library"})
    assert ended.status_code == 303
    assert ", over" in (await paywall.client.get(page)).text
