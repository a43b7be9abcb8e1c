"""Rights from elsewhere in the back office: the page, the file, and the list for Google."""

import csv
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from io import StringIO

import httpx2
import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import Grant, Right
from service.identity.cookies import cookie_name
from service.identity.operators import create_operator, open_operator_session
from service.identity.readers import create_reader
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.inside import Paywall, inside
from tests.operators.conftest import csrf_in, seen_in
from tests.passwords import QUICK
from tests.reports import rows

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
        f"{PAGE}/end",
        data={
            "csrf": csrf_in(shown),
            "source": "print",
            "reference": "KD-1",
            "seen": seen_in(shown.split("<code>KD-1</code>")[1], f"{PAGE}/end"),
        },
    )
    assert (ended.status_code, ended.headers["Location"]) == (303, PAGE)
    over = (await paywall.client.get(f"{PAGE}?state=over&source=print")).text
    assert "KD-1" in over
    assert "KD-0" not in over
    assert "No entitlements found." in (await paywall.client.get(f"{PAGE}?query=other")).text


async def test_a_plan_that_is_no_slug_is_refused_in_words(paywall: Paywall) -> None:
    csrf = csrf_in((await paywall.client.get(PAGE)).text)
    sent = {
        "csrf": csrf,
        "source": "print",
        "reference": "KD-7",
        "email": "r@example.org",
        "seen": "none",
    }
    for plan in ("", "All Access"):
        refused = await paywall.client.post(PAGE, data=sent | {"plan": plan})
        assert refused.status_code == 422
        assert "Plan: must have small letters, digits and single hyphens" in refused.text
        assert 'value="KD-7"' in refused.text


async def test_a_form_without_the_sessions_field_changes_nothing(paywall: Paywall) -> None:
    sent = await paywall.client.post(f"{PAGE}/end", data={"source": "print", "reference": "KD-1"})
    assert sent.status_code == 403
    assert "KD-1" in (await paywall.client.get(f"{PAGE}?state=live")).text


LIST = "reference,plan,email\nKD-0,digital,r0@example.org\nKD-9,digital,new@example.org\n"


@pytest.mark.parametrize(
    ("known_by", "status"),
    [
        ({}, 422),
        ({"account_number": "4711"}, 422),
        ({"name": "Zoë Müller"}, 422),
        ({"postcode": "1000-001"}, 422),
        ({"account_number": "--", "postcode": "1000-001"}, 422),
        ({"account_number": "4711", "postcode": "-"}, 422),
        ({"account_number": "4711", "postcode": "1000-001"}, 200),
        ({"name": "Zoë Müller", "postcode": "1000-001"}, 200),
        ({"email": "zoe@example.org", "account_number": "4711"}, 200),
    ],
)
async def test_a_right_that_nobody_could_claim_is_refused_everywhere(
    paywall: Paywall, known_by: dict[str, str], status: int
) -> None:
    body = {"plan": "digital", **known_by}
    answer = await paywall.client.put(
        "/v1/admin/entitlements/other/5", json=body, headers=paywall.staff
    )
    assert answer.status_code == status, answer.text
    columns = ",".join(["reference", *body])
    listed = await paywall.client.post(
        "/v1/admin/entitlements/other/import", headers=paywall.staff,
        json={"csv": f"{columns}\n5,{','.join(body.values())}\n", "dry_run": True},
    )  # fmt: skip
    assert listed.status_code == status, listed.text
    sent = {
        "csrf": csrf_in((await paywall.client.get(PAGE)).text),
        "seen": "none",
        "source": "page",
    }
    page = await paywall.client.post(PAGE, data={**sent, "reference": "5", **body})
    assert page.status_code == (303 if status == 200 else status)


async def test_a_dry_run_says_what_changes_and_whose_it_is(paywall: Paywall) -> None:
    async with paywall.database.transaction() as session:
        owner = await create_reader(session, email=None, clocks=paywall.clocks)
        owner.email = owner.email_key = owner.verified_key = "r0@example.org"
        right = await session.get_one(Right, ("print", "KD-0"))
        right.reader_id, right.bound_by = owner.id, "email"
    text = (
        "reference,plan,ends_at,email,postcode,account_number\nKD-0,premium,2026-12-31,r0@example.org,,\n"
        "KD-1,digital,,r1@example.org,1000,4711\n"
    )
    answer = await paywall.client.post(
        "/v1/admin/entitlements/print/import", json={"csv": text, "dry_run": True},
        headers=paywall.staff,
    )  # fmt: skip
    changed, known, ended = answer.json()["details"]
    assert (changed["reference"], changed["outcome"]) == ("KD-0", "changed")
    both = ("digital", None), ("premium", "2027-01-01T00:00:00Z")
    assert (
        tuple((changed[each]["plan"], changed[each]["ends_at"]) for each in ("before", "after"))
        == both
    )
    assert changed["after"] | {"reader_id": owner.id, "email": "r0@example.org"} == changed["after"]
    assert (known["reference"], known["before"]) == ("KD-1", known["after"])
    assert (ended["reference"], ended["outcome"], ended["after"]) == ("KD-2", "ended", None)
    form = {"csrf": csrf_in((await paywall.client.get(PAGE)).text), "source": "print"}
    page = (await paywall.client.post(f"{PAGE}/import", data={**form, "csv": text})).text
    for told in (
        "~ KD-0: plan digital → premium, end no end → until 2026-12-31, r0@example.org",
        "~ KD-1: address, number, name or postcode, nobody’s yet",
        "- KD-2: digital, no end, nobody’s yet",
    ):
        assert told in page
    assert await running(paywall) == {"KD-0", "KD-1", "KD-2"}


async def running(paywall: Paywall) -> set[str]:
    answer = await paywall.client.get(
        "/v1/admin/entitlements?source=print&state=live", headers=paywall.staff
    )
    return {each["reference"] for each in answer.json()["items"]}


async def test_a_list_is_shown_and_then_loaded(paywall: Paywall) -> None:
    csrf = csrf_in((await paywall.client.get(PAGE)).text)
    form = {"csrf": csrf, "source": "print", "most_ended": "10"}
    shown = await paywall.client.post(
        f"{PAGE}/import", data=form, files={"file": ("list.csv", LIST.encode(), "text/csv")}
    )
    assert shown.status_code == 200
    begins = "+ KD-9: digital, no end, nobody’s yet"
    for told in ("1 new, 0 changed, 2 ended, 1 unchanged", begins, "- KD-1: digital", "- KD-2: "):
        assert told in shown.text
    assert await running(paywall) == {"KD-0", "KD-1", "KD-2"}
    sent = re.search(r"<textarea[^>]*>(.*?)</textarea>", shown.text, re.DOTALL)
    assert sent is not None
    loaded = await paywall.client.post(
        f"{PAGE}/import", data={**form, "csv": unescape(sent[1]), "load": "yes"}
    )
    assert (loaded.status_code, loaded.headers["Location"]) == (303, f"{PAGE}?source=print")
    assert await running(paywall) == {"KD-0", "KD-9"}


async def test_who_loads_a_list_after_somebody_else_is_told(
    paywall: Paywall, clocks: MovingClocks
) -> None:
    """And shown what it would do now; what another list did meanwhile isn't undone unseen."""
    clocks.travel(timedelta(seconds=1))
    csrf = csrf_in((await paywall.client.get(PAGE)).text)
    form = {"csrf": csrf, "source": "print", "most_ended": "100"}

    async def send(**fields: str) -> httpx2.Response:
        return await paywall.client.post(f"{PAGE}/import", data={**form, **fields})

    def stamp(page: str) -> str:
        found = re.search(r'name="shown" value="([0-9a-f]+@[0-9]+)"', page)
        assert found is not None
        return found[1]

    first = stamp((await send(csv=LIST)).text)
    other = f"{LIST}KD-8,digital,kim@example.org\n"
    assert (await send(csv=other, load="yes", shown=stamp((await send(csv=other)).text))).status_code == 303  # fmt: skip
    late = await send(csv=LIST, load="yes", shown=first)
    assert late.status_code == 412
    assert (
        "boss@example.org has changed print in the meantime, 2026-03-10 09:00. Check the changes"
        in late.text
    )
    assert "0 new, 0 changed, 1 ended, 2 " in late.text
    assert await running(paywall) == {"KD-0", "KD-8", "KD-9"}
    assert (await send(csv=LIST, load="yes", shown=stamp(late.text))).status_code == 303
    assert await running(paywall) == {"KD-0", "KD-9"}


@pytest.mark.parametrize(
    ("changes", "data", "told"),
    [
        ({}, b"reference,plan\nA,digital\n", "Line 2: nobody can be found by it"),
        ({}, b"reference,plan\nA,\xff\n", "Line 2 isn&#39;t UTF-8"),
        ({}, b"reference,plan\nA,\x00\n", "isn&#39;t text"),
        ({"source": "Print & more"}, LIST.encode(), "Use lower-case letters"),
    ],
)
async def test_a_bad_list_changes_nothing(
    paywall: Paywall, changes: dict[str, str], data: bytes, told: str
) -> None:
    csrf = csrf_in((await paywall.client.get(PAGE)).text)
    form = {"csrf": csrf, "source": "print", "load": "yes", **changes}
    sent = await paywall.client.post(f"{PAGE}/import", data=form, files={"file": ("a", data)})
    assert (sent.status_code, told in sent.text) == (422, True), sent.text
    assert await running(paywall) == {"KD-0", "KD-1", "KD-2"}


async def test_a_list_is_tried_out_refused_and_loaded_over_the_api(paywall: Paywall) -> None:
    async def send(csv: str, **more: object) -> tuple[int, dict[str, object]]:
        answer = await paywall.client.post(
            "/v1/admin/entitlements/print/import", json={"csv": csv, **more}, headers=paywall.staff
        )
        told = answer.json()
        told.pop("details", None)  # test_a_dry_run_says_what_changes_and_whose_it_is
        return answer.status_code, told

    would = {"created": ["KD-9"], "changed": [], "ended": ["KD-1", "KD-2"], "unchanged": 1}
    would["warnings"] = ["No offer sells the plan digital yet."]
    status, answer = await send(LIST, dry_run=True)
    assert (status, {**answer, "ended": sorted(answer["ended"])}) == (  # type: ignore[call-overload]
        200, {**would, "dry_run": True},
    )  # fmt: skip
    assert await running(paywall) == {"KD-0", "KD-1", "KD-2"}
    status, refused = await send("reference,plan\nA,digital\n")
    assert (status, refused["errors"][0]["field"]) == (422, "body.csv")  # type: ignore[index]
    assert (await send(LIST, most_ended_percent=101))[0] == 422
    assert (await send(LIST))[0] == 200
    assert await running(paywall) == {"KD-0", "KD-9"}
    many = "".join(f"K-{n},digital,k{n}@example.org\n" for n in range(1500))
    assert (await send(f"{LIST}{many}", dry_run=True))[0] == 200, "larger than other bodies"


async def unsold_said(paywall: Paywall, saved: httpx2.Response) -> bool:
    """Whether the page that follows a save says so, whatever it lists."""
    shown = await paywall.client.get(saved.headers["Location"])
    assert shown.status_code == 200, shown.text
    return "No offer sells the plan digital yet." in shown.text


async def test_one_right_is_entered(paywall: Paywall) -> None:
    form = {
        "csrf": csrf_in((await paywall.client.get(PAGE)).text), "source": "print", "plan": "digital",
        "reference": "KD-9", "until": "2026-12-31", "account_number": "4711", "postcode": "1000-001", "seen": "none",
    }  # fmt: skip
    saved = await paywall.client.post(PAGE, data=form)
    assert (saved.status_code, saved.headers["Location"]) == (303, f"{PAGE}?plan=digital")
    assert await unsold_said(paywall, saved)
    answer = await paywall.client.get("/v1/admin/entitlements/print/KD-9", headers=paywall.staff)
    assert answer.json()["ends_at"].startswith(("2027-01-01", "2026-12-31T23"))
    for wrong, told in (
        ({"source": "A b"}, "Use lower-case letters"), ({"reference": " "}, "Enter the reference"), ({"postcode": ""}, "Nobody can claim it"),
        ({"plan": "A b"}, "Plan: "), ({"until": "soon"}, "no day or time"), ({"email": "ana"}, "no e-mail address"),
    ):  # fmt: skip
        refused = await paywall.client.post(PAGE, data={**form, **wrong})
        assert (refused.status_code, told in refused.text) == (422, True), wrong
        assert 'value="KD-9"' in refused.text or "reference" in wrong


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
        "domains": "library.example", "networks": "192.0.2.0/24\n2001:db8::/32", "until": "2026-12-31", "seen": "none",
    }  # fmt: skip
    saved = await paywall.client.post(page, data=typed)
    assert (saved.status_code, saved.headers["Location"]) == (303, f"{page}?plan=digital")
    assert await unsold_said(paywall, saved)
    async with paywall.database.transaction() as session:
        session.add(rows.offer(plan="digital"))
    assert not await unsold_said(paywall, saved)
    shown = (await paywall.client.get(page)).text
    assert "City &lt;Library&gt;" in shown
    assert "192.0.2.0/24, 2001:db8::/32" in shown
    filled = (await paywall.client.get(f"{page}?slug=city-library")).text
    assert 'value="2026-12-31"' in filled
    assert "192.0.2.0/24\n2001:db8::/32</textarea>" in filled
    for wrong, told in (
        ({"networks": "192.0.2.7/24"}, "The network is 192.0.2.0/24."), ({"slug": "A b"}, "short name"),
        ({"until": "soon"}, "a date. Enter it as"), ({"plan": ""}, "Plan: "),
    ):  # fmt: skip
        refused = await paywall.client.post(page, data={**typed, **wrong})
        assert (refused.status_code, told in refused.text) == (422, True), wrong
    seen = seen_in((await paywall.client.get(page)).text, f"{page}/end")
    end = {"csrf": csrf, "slug": "city-library", "seen": seen}
    ended = await paywall.client.post(f"{page}/end", data=end)
    assert ended.status_code == 303
    assert ", ended" in (await paywall.client.get(page)).text


async def test_a_list_that_passes_the_trial_can_be_loaded(
    database: Database, settings: Settings, paywall: Paywall, clocks: MovingClocks
) -> None:
    small = settings.model_copy(update={"max_body_kilobytes": 64})
    async with inside(database, small, clocks) as narrow:
        narrow.client.cookies = paywall.client.cookies
        csrf = csrf_in((await narrow.client.get(PAGE)).text)
        form = {"csrf": csrf, "source": "print", "most_ended": "100"}
        for rows, status in ((900, 200), (1500, 422)):
            lines = "".join(f"KD-{n},digital,ü{n}@example.org\n" for n in range(rows))
            text = f"reference,plan,email\n{lines}"
            assert len(text.encode()) < 60_000
            shown = await narrow.client.post(
                f"{PAGE}/import", data=form, files={"file": ("list.csv", text.encode())}
            )
            assert shown.status_code == status, shown.text
            assert ("too large to be loaded" in shown.text) == (status == 422)
            typed = {**form, "csv": text.replace("\n", "\r\n"), "load": "yes"}
            loaded = await narrow.client.post(f"{PAGE}/import", data=typed)
            assert loaded.status_code == (303 if status == 200 else 413)


async def test_a_list_of_institutions_as_long_as_promised_is_read(paywall: Paywall) -> None:
    page = "/admin/institutions"
    csrf = csrf_in((await paywall.client.get(page)).text)
    sent = await paywall.client.post(f"{page}/import", data={"csrf": csrf, "csv": "," * 60_000})
    assert sent.status_code == 422
    assert "Nothing was changed." in sent.text
