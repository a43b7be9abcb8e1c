"""Talking to a mail server: encrypted or not, with a log-in, refused, slow, away."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from service.outbox.mailer import Away, Deferred, Refused
from service.outbox.queue import WaitingMail
from service.outbox.smtp import MailServer, SmtpMailer, mail_server
from tests.conftest import START
from tests.outbox.post_office import PASSWORD, USER, certificate, post_office
from tests.ports import free_port

SENDER = "Die Möwe <post@moewe.example>"


def mail(recipient: str = "ana@example.org", **fields: Any) -> WaitingMail:
    values: dict[str, Any] = {
        "id": "mail_1", "kind": "sign-in", "recipient": recipient, "subject": "Grüße",
        "text": "Schöne Grüße\n", "html": "<p>Schöne Grüße</p>", "created_at": START,
        "send_until": START + timedelta(hours=1),
    }  # fmt: skip
    return WaitingMail(**{**values, **fields})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "demanded")),
        ("smtp://u:p@mail.example:25", MailServer("mail.example", 25, "demanded", "u", "p")),
        ("smtps://u@mail.example", MailServer("mail.example", 465, "at once", "u", "")),
        ("smtp://localhost", MailServer("localhost", 25, "offered")),
        ("smtp://127.0.0.2:26", MailServer("127.0.0.2", 26, "offered")),
        ("smtp://[::1]:26/", MailServer("::1", 26, "offered")),
        (
            f"smtps://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@mail.example:1",
            MailServer("mail.example", 1, "at once", USER, PASSWORD),
        ),
        ("smtp://localhost.example", MailServer("localhost.example", 587, "demanded")),
    ],
)
def test_the_address_of_a_server(url: str, expected: MailServer) -> None:
    server = mail_server(url)
    assert server == expected
    assert PASSWORD not in repr(server)


async def test_plain_on_this_machine() -> None:
    async with post_office() as office:
        said = await SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), SENDER).send(mail())
    (received,) = office.received
    assert (received.sender, received.recipients) == ("post@moewe.example", ["ana@example.org"])
    assert not received.encrypted
    assert said == "Kept as 42"


async def test_starttls_and_log_in(tmp_path: Path) -> None:
    serving, _ = certificate(tmp_path)
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    async with post_office(starttls=serving, login=True) as office:
        url = f"smtp://{login}@127.0.0.1:{office.port}"
        await SmtpMailer(mail_server(url), SENDER).send(mail())
        (received,) = office.received
        assert received.encrypted
        assert received.user == USER
        wrong = SmtpMailer(mail_server(url.replace(login, "other:one")), SENDER)
        with pytest.raises(Away, match="535"):
            await wrong.send(mail())
        nobody = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), SENDER)
        with pytest.raises(Deferred, match="530"):
            await nobody.send(mail())


async def test_a_server_elsewhere_has_to_encrypt_with_a_certificate_to_trust(
    tmp_path: Path,
) -> None:
    serving, trusting = certificate(tmp_path)
    async with post_office(starttls=serving) as office:
        server = MailServer("localhost", office.port, "demanded")
        await SmtpMailer(server, SENDER, tls=trusting).send(mail())
        assert office.received[0].encrypted
        # The machine's own certificates, as for any host that isn't this machine.
        strict = SmtpMailer(MailServer("mail.example", 587, "demanded"), SENDER)._tls
        with pytest.raises(Away, match="certificate"):
            await SmtpMailer(server, SENDER, tls=strict).send(mail())
    async with post_office() as plain:
        server = MailServer("localhost", plain.port, "demanded", USER, PASSWORD)
        with pytest.raises(Away, match="STARTTLS"):
            await SmtpMailer(server, SENDER, tls=trusting).send(mail())
        assert plain.received == []


async def test_encrypted_from_the_first_byte(tmp_path: Path) -> None:
    serving, trusting = certificate(tmp_path)
    async with post_office(tls=serving) as office:
        server = mail_server(f"smtps://localhost:{office.port}")
        await SmtpMailer(server, SENDER, tls=trusting).send(mail())
    assert office.received[0].encrypted


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 No {} here", Refused),
        ("553 No", Refused),
        ("450 Busy", Deferred),
        ("451 {}: try later", Deferred),
        ("530 Log in", Deferred),
    ],
)
async def test_a_recipient_that_the_server_wants_never_or_later(
    answer: str, outcome: type[Exception]
) -> None:
    async with post_office() as office:
        office.recipient_answers = [answer]
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), SENDER)
        with pytest.raises(outcome) as caught:
            await mailer.send(mail())
    assert str(caught.value) == answer.format("the recipient")


@pytest.mark.parametrize(("answer", "outcome"), [("554 Spam", Refused), ("452 Full", Deferred)])
async def test_content_that_the_server_wants_never_or_later(
    answer: str, outcome: type[Exception]
) -> None:
    async with post_office() as office:
        office.data_answers = [answer]
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), SENDER)
        with pytest.raises(outcome, match=answer):
            await mailer.send(mail())


async def test_nobody_listens() -> None:
    mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{free_port()}"), SENDER)
    with pytest.raises(Away, match="away"):
        await mailer.send(mail())


async def test_a_server_that_says_nothing_or_hangs_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for behave in (say_nothing, hang_up):
        server = await asyncio.start_server(behave, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{port}"), SENDER, step_seconds=0.2)
        with pytest.raises(Away, match="away"):
            await mailer.send(mail())
        server.close()


async def test_a_slow_server_has_a_limited_time() -> None:
    async with post_office() as office:
        office.pause = 0.4
        url = f"smtp://127.0.0.1:{office.port}"
        await SmtpMailer(mail_server(url), SENDER).send(mail())
        hurried = SmtpMailer(mail_server(url), SENDER, mail_seconds=0.2)

        async def try_until_reached() -> None:
            while True:  # a busy machine may need all of the time to connect
                with contextlib.suppress(Away):
                    await hurried.send(mail())

        with pytest.raises(Deferred):
            await try_until_reached()


async def test_a_name_beyond_ascii_needs_a_server_that_takes_it() -> None:
    async with post_office() as office:
        url = f"smtp://127.0.0.1:{office.port}"
        await SmtpMailer(mail_server(url), SENDER).send(mail("jörg@bücher.example"))
        assert office.received[0].recipients == ["jörg@xn--bcher-kva.example"]
        assert office.received[0].message["To"] == "jörg@xn--bcher-kva.example"
    async with post_office(utf8=False) as old:
        url = f"smtp://127.0.0.1:{old.port}"
        await SmtpMailer(mail_server(url), SENDER).send(mail("ana@bücher.example"))
        assert old.received[0].recipients == ["ana@xn--bcher-kva.example"]
        with pytest.raises(Refused, match="ASCII"):
            await SmtpMailer(mail_server(url), SENDER).send(mail("jörg@bücher.example"))


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "ana",
        "ana@example.org\r\nRCPT TO:<eve@example.org>",
        "ana@example.org>\r\nDATA",
        "ana\x00@example.org",
        "ana\x1b[0m@example.org",
        "ana@example.org, eve@example.org",
        "Ana <ana@example.org>",
        '"ana"@example.org',
        f"{'a' * 300}@example.org",
        f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 60}.example",
    ],
)
async def test_what_is_no_address_never_reaches_a_server(recipient: str) -> None:
    async with post_office() as office:
        mailer = SmtpMailer(mail_server(f"smtp://127.0.0.1:{office.port}"), SENDER)
        with pytest.raises(Refused, match="no address"):
            await mailer.send(mail(recipient))
    assert office.connections == 0
