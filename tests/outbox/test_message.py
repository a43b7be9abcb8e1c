"""The bytes of a mail: read back as they were written, whatever is in them."""

from datetime import timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest

from service.outbox.message import Envelope, envelope_of
from service.outbox.queue import WaitingMail
from service.settings import Settings
from tests.conftest import START

TEXT = "Grüße aus Ternsey.\n.\n-- \n=20 &amp; " + "ä" * 2000 + "\nFrom here\n"
HTML = "<p>Grüße &amp; mehr</p>\n" + "<p>" + "x" * 3000 + "</p>\n"


def envelope(recipient: str = "ana@example.org", sender: str = "", **fields: Any) -> Envelope:
    values: dict[str, Any] = {
        "id": "mail_1f", "kind": "sign-in", "recipient": recipient, "subject": "Ihr Link für Möwe",
        "text": TEXT, "html": HTML, "created_at": START,
        "send_until": START + timedelta(hours=1),
    }  # fmt: skip
    return envelope_of(WaitingMail(**{**values, **fields}), sender or "M <post@moewe.example>")


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_headers_and_both_parts() -> None:
    made = envelope(
        sender=Settings(_env_file=None, mail_from="Die Möwe <p@moewe.example>").mail_from
    )
    assert (made.sender, made.recipient, made.needs_utf8) == (
        "p@moewe.example", "ana@example.org", False,
    )  # fmt: skip
    assert made.content.isascii()
    lines = made.content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    message = parsed(made.content)
    assert message["From"] == "Die Möwe <p@moewe.example>"
    assert message["To"] == "ana@example.org"
    assert message["Subject"] == "Ihr Link für Möwe"
    assert message["Date"].datetime == START
    assert message["Message-ID"] == "<mail_1f@moewe.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == TEXT
    assert html.get_content().replace("\r\n", "\n") == HTML


def test_what_is_sent_twice_is_the_same() -> None:
    first, again = parsed(envelope().content), parsed(envelope().content)
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Date"] == again["Date"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ana+news@example.org", "ana+news@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("{a|b}=c%d@example.org", "{a|b}=c%d@example.org"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("ana@straße.example", "ana@xn--strae-oqa.example"),
        ("ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"),
        ("ana@ｅｘａｍｐｌｅ.org", "ana@example.org"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
    ],
)
def test_recipients_of_all_kinds(text: str, address: str) -> None:
    made = envelope(text)
    assert made.recipient == address
    assert made.needs_utf8 is not address.isascii()
    assert parsed(made.content)["To"] == address


@pytest.mark.parametrize(
    "subject",
    [
        "x" * 300,
        "ä" * 300,
        "Wort " * 59 + "Ende",
        "ä, ö; <ü> \"q\" 'q' =?x",
        "日本語の新聞" * 30,
        "👩🏽‍🚀" * 40,
        "100% (a, b) @ c: d",
    ],
)
def test_subjects_of_all_kinds(subject: str) -> None:
    content = envelope(subject=subject).content
    head, _, _ = content.partition(b"\r\n\r\n")
    assert head.isascii()
    message = parsed(content)
    assert message["Subject"] == subject
    assert sorted(set(message.keys())) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject",
        "To",
    ]  # fmt: skip


@pytest.mark.parametrize("subject", ["A\r\nBcc: eve@example.org", "A\nB", "A\rB"])
def test_a_line_break_never_begins_a_header(subject: str) -> None:
    with pytest.raises(ValueError, match=r"linefeed|newline|carriage"):
        envelope(subject=subject)


@pytest.mark.parametrize(
    "name",
    [
        "Gazette",
        "The Gazette, Ternsey (daily)",
        "Möwe, Zeitung & Söhne; Ternsey",
        "Die große überörtliche Möwe – Zeitung für Ternsey, Übersee und Umgebung",
        "ä" * 150,
        "日本語の新聞" * 20,
        "x" * 250,
        "",
    ],
)
def test_senders_of_all_kinds(name: str) -> None:
    written = f'"{name}" <p@moewe.example>' if name else "p@moewe.example"
    content = envelope(sender=Settings(_env_file=None, mail_from=written).mail_from).content
    head, _, _ = content.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 and b"\n" not in line for line in head.split(b"\r\n"))
    # The newer parser of this library puts spaces between the pieces of a long name (RFC 2047, 6.2).
    encoded, address = parseaddr(message_from_bytes(content, policy=policy.compat32)["From"])
    assert (str(make_header(decode_header(encoded))), address) == (name, "p@moewe.example")
