"""What a mail says: in every language, with hostile values, stored and not yet sent."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import Job, Mail
from service.outbox.mails import LONGEST_WAIT, Kind, put_mail
from service.outbox.queue import JOB
from service.settings import Settings
from tests.conftest import MovingClocks
from tests.databases import on_sqlite

SIGN_IN: dict[str, Any] = {
    "link": "http://127.0.0.1:8000/account/sign-in?token=abc&x=1",
    "code": "012345",
    "minutes": 10,
}
READER = "ana@example.org"


async def put(
    database: Database, settings: Settings, clocks: MovingClocks, kind: Kind, **context: Any
) -> Mail:
    async with database.transaction() as session:
        mail = await put_mail(
            session, kind=kind, to=READER, to_key=READER, reader_id=None, settings=settings,
            now=clocks.wall(), **context,
        )  # fmt: skip
    assert mail is not None
    return mail


async def put_and_fail(database: Database, settings: Settings, clocks: MovingClocks) -> None:
    async with database.transaction() as session:
        await put_mail(
            session, kind="erased", to=READER, to_key=READER, reader_id=None, settings=settings,
            now=clocks.wall(),
        )  # fmt: skip
        raise LookupError


async def test_a_second_mail_about_the_same_is_not_stored(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    await put(database, settings, clocks, "erased", once="erased:rd_1")
    async with database.transaction() as session:
        again = await put_mail(
            session, kind="erased", to=READER, to_key=READER, reader_id=None, settings=settings,
            now=clocks.wall(), once="erased:rd_1",
        )  # fmt: skip
        assert again is None
        assert len((await session.scalars(select(Mail))).all()) == 1
        assert len((await session.scalars(select(Job))).all()) == 1
    await put(database, settings, clocks, "erased", once="erased:rd_2")


async def test_a_mail_waits_in_the_transaction_it_tells_of(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail = await put(database, settings, clocks, "sign-in", **SIGN_IN)
    with pytest.raises(LookupError):
        await put_and_fail(database, settings, clocks)
    async with database.reading() as session:
        (kept,) = await session.scalars(select(Mail))
        (job,) = await session.scalars(select(Job))
    assert (kept.id, kept.kind, kept.status) == (mail.id, "sign-in", "waiting")
    assert (job.kind, job.key, job.status, job.attempts) == (JOB, mail.id, "waiting", 0)
    assert (kept.recipient, kept.recipient_key) == (READER, READER)
    assert job.due_at == clocks.wall()
    assert kept.send_until == clocks.wall() + LONGEST_WAIT


@on_sqlite
@pytest.mark.parametrize(
    ("language", "subject", "lasts", "a_minute"),
    [
        ("en", "Your link and code for Gazette", "expire in 10 minutes", "expire in 1 minute."),
        ("de", "Ihr Link und Ihr Code für Gazette", "10 Minuten lang", "1 Minute lang"),
    ],
)
async def test_a_sign_in_mail_has_link_and_code_in_both_parts(
    database: Database,
    settings: Settings,
    clocks: MovingClocks,
    language: str,
    subject: str,
    lasts: str,
    a_minute: str,
) -> None:
    settings = settings.model_copy(update={"language": language, "publication_name": "Gazette"})
    mail = await put(
        database, settings, clocks, "sign-in", **SIGN_IN,
        send_until=clocks.wall() + timedelta(minutes=10),
    )  # fmt: skip
    assert (mail.subject, mail.language) == (subject, language)
    assert mail.send_until == clocks.wall() + timedelta(minutes=10)
    assert SIGN_IN["link"] in mail.text.splitlines()
    assert SIGN_IN["code"] in mail.text.splitlines()
    assert 'href="http://127.0.0.1:8000/account/sign-in?token=abc&amp;x=1"' in mail.html
    assert f'<html lang="{language}">' in mail.html
    assert ">012345<" in mail.html
    assert lasts in mail.text
    assert lasts in mail.html
    short = await put(database, settings, clocks, "sign-in", **{**SIGN_IN, "minutes": 1})
    assert a_minute in short.text


@on_sqlite
@pytest.mark.parametrize("kind", ["sign-in", "erased"])
async def test_nothing_in_a_name_becomes_a_header_or_markup(
    database: Database, settings: Settings, clocks: MovingClocks, kind: Kind
) -> None:
    name = "A\r\nBcc: all@example.org\x00\u2028<img src=x> & 100% %(code)s {{ code }}"
    settings = settings.model_copy(update={"publication_name": name})
    mail = await put(database, settings, clocks, kind, **(SIGN_IN if kind == "sign-in" else {}))
    flat = "A Bcc: all@example.org <img src=x> & 100% %(code)s {{ code }}"
    assert flat in mail.subject
    assert mail.subject.isprintable()
    assert flat in mail.text
    assert "<img" not in mail.html
    assert "&lt;img src=x&gt; &amp; 100% %(code)s {{ code }}" in mail.html


@on_sqlite
async def test_html_fetches_nothing_and_fits_dark_and_small_screens(
    database: Database, settings: Settings, clocks: MovingClocks
) -> None:
    mail = await put(database, settings, clocks, "sign-in", **SIGN_IN)
    for part in ("<img", "<script", "<link", "<iframe", "url(", "@import", "@font-face", "src="):
        assert part not in mail.html
    assert mail.html.count("http://") == mail.html.count(settings.public_url)
    assert "https://" not in mail.html
    assert "prefers-color-scheme: dark" in mail.html
    assert 'name="viewport"' in mail.html


@on_sqlite
@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/",
        "http://127.0.0.1:8000.elsewhere.example/",
        "http://127.0.0.1:8000@elsewhere.example/",
        "//elsewhere.example/",
        "javascript:alert(1)",
    ],
)
async def test_a_mail_links_to_the_service_alone(
    database: Database, settings: Settings, clocks: MovingClocks, link: str
) -> None:
    with pytest.raises(ValueError, match="itself only"):
        await put(database, settings, clocks, "sign-in", **{**SIGN_IN, "link": link})
