"""Where webhooks go, and that they go nowhere else, whatever names are made to mean in between."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.outbox.webhook_answer import Answer, NoAnswer
from service.outbox.webhook_client import Poster
from service.outbox.webhook_targets import TargetRefused, Targets, is_public, resolve_host
from tests.outbox.webhook_receiver import Received, answer, receiving
from tests.patience import PATIENCE
from tests.ports import free_port

PUBLIC = "93.184.215.14"


class Names:
    """A resolver that answers with the next of `answers`, the last of them again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0",  # noqa: S104 refused
        "0.1.2.3", "192.0.0.192",
        "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1",
        "::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::808:808", "64:ff9b:1::1", "fe80::1", "fe80::1%lo", "fec0::1", "fc00::1",
        "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1", "100::1",
        "5f00::1", "4000::1",
    ],
)  # fmt: skip
def test_what_is_near_or_reserved_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC, "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
        "169.253.1.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::200e", "2003::1",
    ],
)  # fmt: skip
def test_what_is_public_is_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


URLS_REFUSED = {
    "ftp://example.org/": "https",
    "file:///etc/passwd": "https",
    "//example.org/x": "https",
    "https:///x": "https",
    "example.org": "https",
    "https://user:pw@example.org/": "password",
    "https://user@example.org/": "password",
    "https://example.org/#x": "characters",
    "https://example.org:0/": "Ports",
    "https://example.org:99999/": "Ports",
    "https://exa mple.org/": "characters",
    "https://example.org/a\nb": "no URL",
    "https://[::1/": "no URL",
    "https://example.org/" + "a" * 2000: "characters",
    "": "https",
}


@pytest.mark.parametrize("url", URLS_REFUSED)
def test_what_is_no_address_of_a_webhook_is_refused_with_a_reason(url: str) -> None:
    with pytest.raises(TargetRefused, match=URLS_REFUSED[url]):
        Targets(only_https=False, allow_private=True).parse(url)


@pytest.mark.parametrize("host", ["xn--", "..."])
def test_a_host_that_is_no_name_is_refused_as_one_that_nobody_knows(host: str) -> None:
    targets = Targets(only_https=False, allow_private=False)
    with pytest.raises(TargetRefused, match="can't be looked up"):
        asyncio.run(targets.addresses_of(targets.parse(f"https://{host}/hooks")))


def test_production_takes_https_alone() -> None:
    assert Targets(only_https=False, allow_private=False).parse("http://example.org:8080/x")
    with pytest.raises(TargetRefused, match="https addresses only"):
        Targets(only_https=True, allow_private=False).parse("http://example.org/x")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_this_machine_is_refused_however_it_is_written(host: str) -> None:
    targets = Targets(only_https=False, allow_private=False)
    with pytest.raises(TargetRefused):
        await targets.addresses_of(targets.parse(f"http://{host}:8000/"))


async def test_one_address_that_is_near_is_enough_to_refuse() -> None:
    targets = Targets(only_https=True, allow_private=False, resolve=Names([PUBLIC, "10.0.0.1"]))
    with pytest.raises(TargetRefused, match=r"hooks\.example is an address of this machine"):
        await targets.addresses_of(targets.parse("https://hooks.example/"))


async def test_a_name_without_addresses_is_told() -> None:
    targets = Targets(only_https=True, allow_private=False, resolve=Names([]))
    with pytest.raises(TargetRefused, match="has no address"):
        await targets.addresses_of(targets.parse("https://hooks.example/"))
    with pytest.raises(TargetRefused, match="can't be looked up"):
        await Targets(only_https=True, allow_private=False).addresses_of(
            targets.parse("https://hooks.invalid/")
        )


async def test_a_name_that_was_public_and_is_this_machine_at_the_try_is_refused() -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    targets = Targets(only_https=False, allow_private=False, resolve=names)
    async with receiving() as receiver:
        url = f"http://hooks.example:{receiver.port}/"
        assert await targets.addresses_of(targets.parse(url)) == [ipaddress.ip_address(PUBLIC)]
        with pytest.raises(TargetRefused):
            await Poster(targets).post(url, b"{}", {})
        assert receiver.received == []
    assert names.asked == [("hooks.example", receiver.port)] * 2


async def test_the_connection_goes_to_the_address_that_was_checked_and_is_asked_for_once() -> None:
    async with receiving() as receiver:
        # A second look-up within the same try would lead elsewhere, where nobody listens.
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        targets = Targets(only_https=False, allow_private=True, resolve=names)
        url = f"http://hooks.example:{receiver.port}/in?a=b"
        assert (await Poster(targets).post(url, b"{}", {"x-more": "1"})).status == 204
    assert len(names.asked) == 1
    (request,) = receiver.received
    assert request.line == "POST /in?a=b HTTP/1.1"
    assert request.headers["host"] == f"hooks.example:{receiver.port}"
    assert request.headers["x-more"] == "1"
    assert request.headers["content-type"] == "application/json"


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of this name shows, and what a client believes who knows it."""
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files)
    return server, ssl.create_default_context(cafile=str(files[0]))


async def test_the_certificate_must_be_the_name_s_though_an_address_is_called(
    tmp_path: Path,
) -> None:
    server, client = _certificate(tmp_path, "hooks.example")
    shown: list[str | None] = []
    server.sni_callback = lambda _, name, __: shown.append(name)
    targets = Targets(only_https=True, allow_private=True, resolve=Names(["127.0.0.1"]))
    poster = Poster(targets, tls=client)
    async with receiving(server) as receiver:
        said = await poster.post(f"https://hooks.example:{receiver.port}/", b"{}", {})
        assert said.status == 204
        with pytest.raises(NoAnswer, match=r"(?i)certificate"):
            await poster.post(f"https://other.example:{receiver.port}/", b"{}", {})
        with pytest.raises(NoAnswer, match=r"(?i)certificate"):
            await Poster(targets).post(f"https://hooks.example:{receiver.port}/", b"{}", {})
    assert shown == ["hooks.example", "other.example", "hooks.example"]
    assert len(receiver.received) == 1


async def test_the_next_address_is_tried_where_nobody_takes_the_connection() -> None:
    names = Names(["127.0.0.9", "127.0.0.1"])
    targets = Targets(only_https=False, allow_private=True, resolve=names)
    async with receiving() as receiver:
        said = await Poster(targets).post(f"http://hooks.example:{receiver.port}/", b"{}", {})
    assert said.status == 204
    with pytest.raises(NoAnswer, match="ConnectError"):
        await Poster(targets).post(f"http://hooks.example:{free_port()}/", b"{}", {})


HERE = Targets(only_https=False, allow_private=True)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with receiving() as receiver:
        assert (await Poster(HERE).post(receiver.url, b"{}", {})).status == 204


async def test_redirects_are_answers_and_not_followed() -> None:
    async with receiving() as receiver, receiving() as elsewhere:

        async def redirect(_: Received) -> bytes:
            return answer(307, "over there", Location=elsewhere.url)

        receiver.respond = redirect
        assert await Poster(HERE).post(receiver.url, b"{}", {}) == Answer(307, "over there")
        assert elsewhere.received == []


async def test_a_long_odd_answer_is_kept_as_a_short_line() -> None:
    async with receiving() as receiver:

        async def shout(_: Received) -> bytes:
            return answer(500, "No\0\r\n\x1b[31m room " + "x" * 5_000_000)

        receiver.respond = shout
        said = await Poster(HERE).post(receiver.url, b"{}", {})
    assert said.status == 500
    assert said.excerpt.startswith("No [31m room xxx")
    assert len(said.excerpt) == 200


async def test_who_doesn_t_answer_in_time_is_left_but_a_status_counts_without_its_text() -> None:
    poster = Poster(HERE, patience=PATIENCE)
    async with receiving() as receiver:
        over = asyncio.Event()

        async def hang(_: Received) -> bytes:
            await over.wait()
            return b""

        receiver.respond = hang
        with pytest.raises(NoAnswer, match=r"within 0\.2 seconds"):
            await Poster(HERE, patience=0.2).post(receiver.url, b"{}", {})

        async def half(_: Received) -> bytes:
            return b"HTTP/1.1 410 Gone\r\nContent-Length: 1000\r\n\r\nnot any"

        receiver.respond = half
        assert await poster.post(receiver.url, b"{}", {}) == Answer(410, "not any")

        async def nonsense(_: Received) -> bytes:
            return b"SSH-2.0-OpenSSH\r\n\r\n"

        receiver.respond = nonsense
        with pytest.raises(NoAnswer, match="RemoteProtocolError"):
            await poster.post(receiver.url, b"{}", {})
        over.set()


async def test_the_system_s_resolver_gives_every_address_once() -> None:
    assert await resolve_host("127.0.0.1", 80) == ["127.0.0.1"]
    assert set(await resolve_host("localhost", 80)) <= {"127.0.0.1", "::1"}
