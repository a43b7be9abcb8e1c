"""Each command's effect and words."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from service.billing.inbox import store_event
from service.content.publish import prepare, store_prepared
from service.content.schemas import AccessIn, ArticleIn
from service.db.session import Database
from service.db.tables import Article, Job, Operator, Subscription
from service.identity.api_keys import find_api_key
from service.identity.operators import find_operator
from service.identity.passwords import ARGON2ID
from service.identity.readers import create_reader
from service.identity.sign_in_requests import by_link, use
from service.offers.pricing import checked_price
from service.offers.store import create_offer, live_offers
from service.rules.in_force import InForce
from service.settings import Settings
from tests.billing.stripe_values import event
from tests.cli.conftest import Paywall, one_sentence
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

pytestmark = on_sqlite

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
PASSWORD = "a long enough password"
MONTHLY = [
    "--name",
    "Monthly",
    "--plan",
    "digital",
    "--amount",
    "9.00",
    "--currency",
    "EUR",
    "--interval",
    "month",
]


def migrated(paywall: Paywall) -> None:
    assert paywall("migrate").code == 0


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
def test_migrate_says_what_it_did_and_may_be_repeated(
    paywall: Paywall, empty_database_url: str
) -> None:
    empty = {"PAYWALL_DATABASE_URL": empty_database_url}
    first, again = paywall("migrate", **empty), paywall("migrate", **empty)
    assert (first.code, again.code) == (0, 0)
    assert first.out.startswith("The database was brought from nothing to ")
    assert again.out.startswith("The database is at ")


def test_an_api_key_is_shown_once_listed_and_revoked(paywall: Paywall, settings: Settings) -> None:
    made = paywall("api-keys", "create", "--scope", "articles:write", "--label", "the cms")
    assert made.code == 0, made.err
    prefix = made.out.split("_")[1]
    listed = paywall("api-keys", "list").out
    assert listed == f"{prefix}  live     never used  articles:write  the cms\n"
    assert paywall("api-keys", "revoke", prefix).code == 0
    assert "revoked" in paywall("api-keys", "list").out

    async def works() -> bool:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = await find_api_key(session, made.out.strip())
        await database.dispose()
        return found is not None

    assert not asyncio.run(works())


def test_passes_and_intro_prices_are_made(paywall: Paywall) -> None:
    priced = ("--currency", "EUR", "--interval", "week")
    one = paywall(
        "offers", "create", "--pass", "--article", "--name", "One", "--amount", "0.90", *priced
    )
    assert one.out.endswith("One: €0.90 for this article, for a week\n")
    intro = paywall("offers", "create", *MONTHLY, "--intro-amount", "1.00", "--intro-periods", "3")
    assert "€1.00 a month for 3 months, then €9.00 a month" in intro.out
    assert f"{one.first_word}  One, one article: " in paywall("offers", "list").out


def test_an_offer_is_made_listed_and_archived(paywall: Paywall, settings: Settings) -> None:
    made = paywall("offers", "create", *MONTHLY, "--trial-days", "14")
    assert made.code == 0, made.err
    listed = paywall("offers", "list").out
    assert listed.startswith(f"{made.first_word}  Monthly, digital: ")
    assert paywall("offers", "archive", made.first_word).code == 0
    assert paywall("offers", "list").out == ""
    ended = paywall("offers", "sold", "--from", "2026-03-01", "--to", "2026-03-31").out
    assert ended.startswith("Sold from 2026-03-01 to 2026-03-31")
    assert f"{made.first_word}  Monthly: 0 sold, 0 subscribers, 0 in a trial, MRR none" in ended
    refused = paywall("offers", "sold", "--from", "2026-03-31", "--to", "2026-03-01")
    assert (refused.code, "The period starts" in refused.err) == (1, True)

    async def sold() -> int:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = len(await live_offers(session))
        await database.dispose()
        return found

    assert asyncio.run(sold()) == 0


def test_an_operators_password_comes_from_a_prompt_or_standard_input(
    paywall: Paywall, settings: Settings
) -> None:
    create = ("operators", "create", "Ana@example.org", "--role", "editor")
    made = paywall(*create, typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert made.code == 0, made.err
    assert PASSWORD not in made.out + made.err
    assert f"{settings.public_url}/admin as editor" in made.out
    reset = ("operators", "reset-password", "ana@example.org", "--password-stdin")
    assert paywall(*reset, typed=f"{PASSWORD} 2\n").code == 0

    async def operator() -> Operator | None:
        database = Database(settings.database_url)
        async with database.reading() as session:
            found = await find_operator(session, "ana@example.org")
        await database.dispose()
        return found

    found = asyncio.run(operator())
    assert found is not None
    assert found.role == "editor"
    assert ARGON2ID.match(found.password_hash, f"{PASSWORD} 2")
    assert not ARGON2ID.match(found.password_hash, PASSWORD)


def test_the_keys_are_made_by_serve_and_then_listed(paywall: Paywall) -> None:
    assert "`paywall serve` makes them" in paywall("keys", "list").out


async def _readers(settings: Settings, *, count: int) -> list[str]:
    """Readers who typed one address, the last one with a subscription."""
    database = Database(settings.database_url)
    async with database.transaction() as session:
        readers = [
            (await create_reader(session, email="Ana@Example.org", clocks=MovingClocks(NOW))).id
            for _ in range(count)
        ]
        price = checked_price(amount=900, currency="EUR", interval="month")
        offer = await create_offer(session, name="Monthly", plan="digital", price=price, now=NOW)
        session.add(
            Subscription(
                id="sub_1", reader_id=readers[-1], customer_id="cus_1", offer_id=offer.id,
                plan="digital", status="active", amount=900, currency="EUR", interval="month",
                interval_count=1, started_at=NOW, current_period_end=NOW, trial_end=None,
                cancel_at=None, ended_at=None, past_due_since=None, pauses_collection=False,
                cancel_reason="", access_stop="", payment_problem="", synced_at=NOW, version=1,
            )
        )  # fmt: skip
    await database.dispose()
    return readers


async def _signed_in(settings: Settings, secret: str, now: datetime) -> str | None:
    database = Database(settings.database_url)
    async with database.transaction() as session:
        found = await by_link(session, secret, now)
        used = found is not None and await use(session, found, now)
    await database.dispose()
    return found.reader_id if found is not None and used else None


def test_a_sign_in_link_is_for_one_reader(paywall: Paywall, settings: Settings) -> None:
    migrated(paywall)
    (reader,) = asyncio.run(_readers(settings, count=1))
    made = paywall("readers", "sign-in-link", "ana@example.org")
    assert made.code == 0, made.err
    base, _, secret = made.out.strip().partition("?token=")
    assert base == f"{settings.public_url}/account/sign-in"
    assert asyncio.run(_signed_in(settings, secret, NOW)) == reader
    assert asyncio.run(_signed_in(settings, secret, NOW)) is None


def test_several_readers_with_an_address_are_listed_with_their_plans(
    paywall: Paywall, settings: Settings
) -> None:
    migrated(paywall)
    first, second = asyncio.run(_readers(settings, count=2))
    asked = paywall("readers", "sign-in-link", "ana@example.org")
    assert (asked.code, asked.out) == (1, "")
    assert f"{first}  since 2026-03-10  no plan" in asked.err
    assert f"{second}  since 2026-03-10  digital (active)" in asked.err
    chosen = paywall("readers", "sign-in-link", "ana@example.org", "--reader", first)
    secret = chosen.out.strip().partition("?token=")[2]
    assert asyncio.run(_signed_in(settings, secret, NOW)) == first


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "wordpress", __file__, "--plan", "gold"],
        ["import", "wordpress", __file__, "--report", "/nowhere/report.jsonl"],
        ["api-keys", "create", "--scope", "everything"],
        ["api-keys", "revoke", "0000000000"],
        ["offers", "create", *MONTHLY, "--trial-days", "-1"],
        ["offers", "create", *MONTHLY, "--article"],
        ["offers", "create", *MONTHLY, "--pass", "--article"],
        ["offers", "create", *MONTHLY, "--intro-amount", "9.00"],
        ["offers", "create", *MONTHLY, "--intro-amount", "1.00", "--trial-days", "7"],
        ["offers", "create", *MONTHLY, "--plan", "Not a word"],
        ["offers", "archive", "off_000"],
        ["operators", "create", "ana@example.org", "--role", "owner", "--password-stdin"],
        ["operators", "create", "ana", "--password-stdin"],
        ["operators", "reset-password", "nobody@example.org", "--password-stdin"],
        ["operators", "disable", "nobody@example.org"],
        ["operators", "enable", "nobody@example.org"],
        ["operators", "reset-totp", "nobody@example.org"],
        ["readers", "sign-in-link", "nobody@example.org"],
        ["keys", "rotate"],
        ["keys", "revoke", "unknown"],
        ["import", "wordpress", "/nowhere/export.xml"],
        ["import", "wordpress", "/"],
        ["import", "wordpress", __file__],
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(paywall: Paywall, arguments: list[str]) -> None:
    refused = paywall(*arguments, typed=f"{PASSWORD}\n")
    assert (refused.code, refused.out) == (1, "")
    assert one_sentence(refused.err), refused.err


def test_rollups_of_reports_are_made_anew(paywall: Paywall) -> None:
    again = paywall("reports", "rebuild")
    assert again.code == 0, again.err
    assert again.out == "Everything was as its rows say.\n"


def test_a_quarantined_event_is_listed_and_replayed(paywall: Paywall, settings: Settings) -> None:
    async def quarantine() -> None:
        database = Database(settings.database_url)
        async with database.transaction() as session:
            for event_id in ("evt_1", "evt_applied"):
                await store_event(session, event(event_id), NOW)
            jobs = {job.key: job for job in await session.scalars(select(Job))}
            jobs["evt_1"].status, jobs["evt_1"].attempts = "failed", 5
            jobs["evt_1"].result = "ValueError('odd')"
            jobs["evt_applied"].status = "done"
        await database.dispose()

    assert paywall("inbox", "list").out == "All events are processed.\n"
    asyncio.run(quarantine())
    listed = paywall("inbox", "list").out
    assert "evt_1  failed   5 failed attempts  invoice.paid" in listed
    assert "odd" in listed
    assert "evt_applied" not in listed
    assert paywall("inbox", "replay", "evt_1").code == 0
    assert "evt_1  pending  0 failed attempts" in paywall("inbox", "list").out
    assert "Event evt_2 not found" in paywall("inbox", "replay", "evt_2").err


def test_offers_are_renamed_ended_and_shown_again(paywall: Paywall) -> None:
    offer = paywall("offers", "create", *MONTHLY).first_word
    assert paywall("offers", "rename", offer, "Every month").code == 0
    assert paywall("offers", "archive", offer).out == f"{offer} is no longer sold.\n"
    assert paywall("offers", "list").out == ""
    ended = paywall("offers", "list", "--all").out
    assert ended == f"{offer}  Every month, digital: €9.00 a month (no longer sold)\n"
    assert paywall("offers", "show", offer).code == 0
    assert "Every month" in paywall("offers", "list").out
    assert "1 to 80 characters" in paywall("offers", "rename", offer, " ").err
    unknown = paywall("offers", "show", "off_none").err
    assert "Offer off_none not found. See `paywall offers list --all`." in unknown


def test_settings_are_shown_without_secrets(paywall: Paywall, settings: Settings) -> None:
    shown = paywall("settings", PAYWALL_METER_LIMIT="7").out
    assert "environment  PAYWALL_METER_LIMIT=7" in shown.splitlines()
    assert "environment  PAYWALL_SECRET_KEY=set" in shown.splitlines()
    assert settings.secret_key.get_secret_value() not in shown


def test_previews_are_listed_and_made_anew(paywall: Paywall, settings: Settings) -> None:
    async def store() -> None:
        database = Database(settings.database_url)
        for slug, body in (("story", "<p>One two. Three four. Five.</p>"),
                           ("marked", "<p>One two three four.</p><!--more--><p>Five.</p>")):  # fmt: skip
            sent = ArticleIn.model_validate({"title": slug, "body": body})
            async with database.transaction() as session:
                prepared = prepare(slug, sent, InForce.by_default(settings))
                await store_prepared(session, prepared, if_match=None, actor="test", now=NOW)
        async with database.transaction() as session:
            await session.execute(
                update(Article)
                .where(Article.slug == "story")
                .values(preview_html=Article.body_html)
            )
        await database.dispose()

    asyncio.run(store())
    before, again = paywall("articles", "previews"), paywall("articles", "previews", "--recut")
    assert (before.code, again.code) == (0, 0), before.err + again.err
    assert before.out.splitlines()[0] == ("100 %      5 of 5      metered     automatic      story")
    assert "paywall articles previews --recut" in before.out.splitlines()[1]
    assert again.out.splitlines() == [
        "1 articles were changed.",
        "",
        " 80 %      4 of 5      metered     author's mark  marked",
        "      80 % of the words are public, by default at most 60 %: the author's mark is there.",
        " 40 %      2 of 5      metered     automatic      story",
        "",
        "2 articles, 1 of them to check. By public share: 40-50 %: 1, 80-90 %: 1.",
    ]


def test_a_decision_is_explained_with_its_trail(
    paywall: Paywall, settings: Settings, clocks: MovingClocks
) -> None:
    migrated(paywall)

    async def lay() -> str:
        database = Database(settings.database_url)
        body = ArticleIn(
            title="Lamps", body="<p>a</p><!--more--><p>b</p>", access=AccessIn(level="subscribers")
        )
        async with database.transaction() as session:
            await store_prepared(
                session,
                prepare("lamps", body, InForce.by_default(settings)),
                if_match=None,
                actor="tests",
                now=NOW,
            )
            reader_id = (await create_reader(session, email=None, clocks=clocks)).id
        await database.dispose()
        return reader_id

    reader = asyncio.run(lay())
    told = paywall("explain", reader, "lamps")
    assert told.code == 0, told.err
    assert "  → level: grants alone open it" in told.out
    assert "Level: subscribers, set by the article." in told.out
    early = paywall("explain", reader, "lamps", "--at", "2026-03-10T08:00Z")
    assert "→ visible: the article isn't visible" in early.out
    assert "  - The article wasn't in the system yet." in early.out
    for wrong in (["nobody", "lamps"], [reader, "nothing"], [reader, "lamps", "--at", "soon"]):
        refused = paywall("explain", *wrong)
        assert refused.code == 1
        assert refused.err.endswith(".\n"), refused.err
