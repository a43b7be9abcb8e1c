"""The service on the site's own host: behind nginx, and behind a site that renders on the server."""

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from sqlalchemy import select

from service.db.session import Database
from service.db.tables import all_tables
from service.settings import Settings
from tests.certificates import self_signed
from tests.conftest import MovingClocks
from tests.databases import on_sqlite
from tests.patience import PATIENCE, wait_until
from tests.ports import free_port
from tests.served import CANARY, Installation, installation
from tests.setups.frontends import MAIL_FROM, newest_mail_to, reader_at
from tests.setups.recipes import recipe

NGINX = shutil.which(
    "nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
)
HOME, ELSEWHERE, FAR_AWAY = "127.1.0.2", "127.2.0.2", "127.3.0.2"
"""Addresses of three networks that all lead to this machine (on Linux)."""
FOREIGN = "https://elsewhere.example"
ANA = "ana@example.org"


def _has_addresses() -> bool:
    try:
        with socket.create_server((HOME, 0)):
            return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(
    not _has_addresses(), reason="needs all of 127.0.0.0/8, as on Linux"
)


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A process that listens on this port."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:

        def listens() -> bool:
            if process.poll() is not None:
                pytest.fail((process.stdout.read() if process.stdout else b"").decode())
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
                return True
            return False

        try:
            wait_until(listens, f"{command[0]} listens")
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextmanager
def running_site(made: Installation, port: int) -> Iterator[None]:
    """The page's site.py in front of the service."""
    service = made.url.removeprefix("http://")
    text = recipe("site.py", {'"127.0.0.1:8000"': f'"{service}"', "3000": str(port)})
    with running([sys.executable, "-W", "error", "-c", text], port):
        yield


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    pem, secret = self_signed("127.0.0.1", [x509.IPAddress(ip_address("127.0.0.1"))])
    chain, private = folder / "site.pem", folder / "site.key"
    chain.write_bytes(pem)
    private.write_bytes(secret)
    return chain, private


@contextmanager
def running_nginx(folder: Path, made: Installation, port: int, site_port: int) -> Iterator[Path]:
    """The page's paywall.conf in a real nginx; yields the certificate to trust."""
    chain, private = certificate(folder)
    server = recipe(
        "paywall.conf",
        {
            "127.0.0.1:8000": made.url.removeprefix("http://"),
            "127.0.0.1:3000": f"127.0.0.1:{site_port}",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/www.example.org.pem": str(chain),
            "/etc/ssl/www.example.org.key": str(private),
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    configuration = folder / "nginx.conf"
    # One process in the foreground: nothing is left behind, and no other user is needed.
    configuration.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    command = [str(NGINX), "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
    with running(command, port):
        yield chain


class Front:
    """The site as its readers reach it, from any address."""

    def __init__(self, url: str, trusted: Path | None = None) -> None:
        self.url = url
        self._context = ssl.create_default_context(cafile=trusted) if trusted else None

    def reader(self, address: str = HOME) -> httpx2.Client:
        """A browser at this address; redirects are seen, not followed."""
        transport = reader_at(address, **({"verify": self._context} if self._context else {}))
        return httpx2.Client(base_url=self.url, transport=transport, timeout=PATIENCE)


def settings_for(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(
        update={"trusted_proxies": ("127.0.0.1",), "mail_from": MAIL_FROM, **changes}
    )


def publish_all(made: Installation) -> None:
    for slug in ("a", "b", "c", "d"):
        made.publish(slug)
    made.publish("paid", access={"level": "subscribers"})


@pytest.fixture
def site(settings: Settings, clocks: MovingClocks) -> Iterator[tuple[Installation, Front]]:
    """A server-rendered site without a proxy; one device a day and network may begin."""
    settings, port = settings_for(settings, cookieless_unlocks_per_day=1), free_port()
    with installation(settings, clocks) as made, running_site(made, port):
        publish_all(made)
        yield made, Front(f"http://127.0.0.1:{port}")


@pytest.fixture
def proxied(
    settings: Settings, clocks: MovingClocks, tmp_path: Path
) -> Iterator[tuple[Installation, Front]]:
    """nginx with TLS, and behind it the service and such a site. Cookies are those of production."""
    if NGINX is None:
        pytest.skip("nginx isn't installed")
    port, site_port = free_port(), free_port()
    settings = settings_for(settings, insecure_cookies=False, cookieless_unlocks_per_day=1)
    url = f"https://127.0.0.1:{port}"
    with (
        installation(settings, clocks, public_url=url) as made,
        running_site(made, site_port),
        running_nginx(tmp_path, made, port, site_port) as trusted,
    ):
        publish_all(made)
        yield made, Front(url, trusted)


@on_sqlite
def test_a_rendered_page_counts_and_knows_its_reader_again(
    site: tuple[Installation, Front],
) -> None:
    _, front = site
    with front.reader() as reader:
        pages = {slug: reader.get(f"/articles/{slug}") for slug in "abcda"}
        assert [CANARY in pages[slug].text for slug in "abcd"] == [True, True, True, False]
        assert "Offers" not in pages["a"].text
        assert "€9.00 a month" in pages["d"].text
        assert CANARY in reader.get("/articles/a").text
        assert reader.get("/articles/none").status_code == 404
        assert reader.get("/").status_code == 404
    assert "pw_device" in reader.cookies
    assert {page.headers["Cache-Control"] for page in pages.values()} == {"private, no-store"}


@on_sqlite
def test_a_rendered_page_that_is_fetched_ahead_counts_nothing(
    site: tuple[Installation, Front],
) -> None:
    _, front = site
    with front.reader() as reader:
        ahead = reader.get("/articles/a", headers={"Sec-Purpose": "prefetch"})
        assert ahead.status_code == 200
        assert CANARY not in ahead.text
        assert CANARY in reader.get("/articles/a").text


def is_open(reader: httpx2.Client, **headers: str) -> bool:
    """Whether the page opens to somebody without cookies."""
    reader.cookies.clear()
    return CANARY in reader.get("/articles/a", headers=headers).text


def assert_believed_alone(made: Installation, front: Front) -> None:
    """The frontend's word on its readers' addresses counts, and nobody else's."""
    with front.reader(HOME) as home, front.reader(ELSEWHERE) as elsewhere:
        assert [is_open(home), is_open(home)] == [True, False]
        # An invented header doesn't make another network of this one, nor a proxy of its reader.
        for invented in (FAR_AWAY, "127.0.0.1", f"{FAR_AWAY}, 127.0.0.1", "unknown"):
            assert not is_open(home, **{"X-Forwarded-For": invented})
        assert is_open(elsewhere)
    # Who calls the service itself, past the frontends, is judged by their own address.
    with httpx2.Client(
        base_url=made.url, transport=reader_at(FAR_AWAY), timeout=PATIENCE
    ) as direct:
        reasons = []
        for claimed in (HOME, "127.9.0.1"):
            direct.cookies.clear()
            answer = direct.post("/v1/articles/a/unlock", headers={"X-Forwarded-For": claimed})
            reasons.append(answer.json()["reason"])
        assert reasons == ["meter", "network_exhausted"]


@on_sqlite
def test_the_rendering_sites_word_on_addresses_counts(site: tuple[Installation, Front]) -> None:
    assert_believed_alone(*site)


@on_sqlite
def test_the_proxys_word_on_addresses_counts(proxied: tuple[Installation, Front]) -> None:
    assert_believed_alone(*proxied)


@on_sqlite
def test_no_readers_address_is_stored_or_logged(
    proxied: tuple[Installation, Front], capfd: pytest.CaptureFixture[str]
) -> None:
    made, front = proxied
    with front.reader() as reader:
        reader.headers["Origin"] = front.url
        reader.get("/articles/a")
        reader.get("/articles/b", headers={"X-Forwarded-For": FAR_AWAY})
        reader.post("/v1/sign-in", json={"email": ANA})
        is_open(reader)
    kept = made.in_database(all_rows)
    assert "cookieless/" in kept
    assert "sign-in-network/" in kept
    logged = "".join(capfd.readouterr())
    assert "/v1/articles/a/unlock" in logged
    for address in (HOME, FAR_AWAY):
        assert address not in kept
        assert address not in logged


async def all_rows(database: Database) -> str:
    """Every value in the database, as text."""
    async with database.reading() as session:
        tables = [
            list(await session.execute(select(table))) for table in all_tables().sorted_tables
        ]
    return "\n".join(str(tuple(row)) for rows in tables for row in rows)


@on_sqlite
def test_through_the_proxy_from_the_meter_to_a_paid_article(
    proxied: tuple[Installation, Front],
) -> None:
    made, front = proxied
    with front.reader() as reader:
        reader.headers["Origin"] = front.url
        for slug in "ab":
            assert reader.post(f"/v1/articles/{slug}/unlock").json()["reason"] == "meter"
        assert (
            CANARY in reader.get("/articles/c").text
        )  # the rendered page counts on the same meter
        walled = reader.post("/v1/articles/paid/unlock")
        assert (walled.status_code, walled.json()["reason"]) == (402, "subscribers_only")

        offer = made.offers["monthly"]
        body = {"offer": offer, "return_to": "/articles/paid"}
        started = reader.post("/v1/checkout", json=body).json()
        made.pay(started["session_id"])
        back = reader.get(f"/v1/checkout/return?session_id={started['session_id']}")
        assert (back.status_code, back.headers["Location"]) == (303, f"{front.url}/articles/paid")
        assert CANARY in reader.get("/articles/paid").text
        assert reader.post("/v1/session/token").json()["token_type"] == "Bearer"
        assert CANARY in reader.get("/articles/paid").text  # with the session's next cookie
        cookies = {cookie.name for cookie in reader.cookies.jar}
        assert {"__Host-pw_device", "__Host-pw_session"} <= cookies
        assert reader.get("/.well-known/jwks.json").json()["keys"]
        assert reader.get("/account").status_code == 200
        for closed in ("/metrics", "/admin", "/healthz"):
            assert reader.get(closed).status_code == 404


@on_sqlite
def test_signing_in_through_the_proxy(proxied: tuple[Installation, Front]) -> None:
    made, front = proxied
    with front.reader() as reader:
        reader.headers["Origin"] = front.url
        for slug in "abc":
            reader.get(f"/articles/{slug}")
        assert CANARY not in reader.get("/articles/d").text
        asked = reader.post("/v1/sign-in", json={"email": ANA, "return_to": "/articles/d"}).json()
        code = newest_mail_to(made, ANA).code
        body = {"request_id": asked["request_id"], "code": code}
        assert reader.post("/v1/sign-in/confirm", json=body).status_code == 200
        assert reader.get("/v1/me").json()["email"] == ANA
        assert CANARY in reader.get("/articles/d").text  # by the registered reader's own meter
        assert reader.delete("/v1/session").status_code == 204
        assert reader.get("/v1/me").status_code == 401


@on_sqlite
def test_another_origin_is_refused_through_the_proxy(proxied: tuple[Installation, Front]) -> None:
    _, front = proxied
    with front.reader() as reader:
        reader.get("/articles/a")
        for path in ("/v1/articles/b/unlock", "/v1/checkout", "/v1/sign-in", "/v1/session/token"):
            refused = reader.post(path, headers={"Origin": FOREIGN}, json={})
            assert (refused.status_code, refused.json()["type"]) == (
                403,
                "/problems/foreign-origin",
            )
        seen = reader.get("/v1/articles/a/access", headers={"Origin": FOREIGN})
        assert "Access-Control-Allow-Origin" not in seen.headers
