"""How often a code may be tried and a mail be asked for, by the reader and by strangers."""

from service.db.tables import Mail
from tests.account.signing import ANA, ask, by_code, confirm, refused, rows
from tests.account.visitor import client_of
from tests.databases import on_sqlite
from tests.inside import Paywall
from tests.mailbox import newest_mail


@on_sqlite
async def test_five_tries_a_code(mailed: Paywall) -> None:
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    wrong = f"{(int(mail.code) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert refused(await confirm(mailed, request_id=asked["request_id"], code=wrong))
    assert refused(await confirm(mailed, request_id=asked["request_id"], code=mail.code))
    # The link can't be guessed, so it works on.
    assert (await confirm(mailed, token=mail.token)).status_code == 200


@on_sqlite
async def test_ten_codes_an_hour_and_account_however_many_requests(mailed: Paywall) -> None:
    tried = 0
    for _ in range(2):
        async with mailed.new_client() as client:
            asked = (await ask(mailed, ANA, client)).json()
            mail = await newest_mail(mailed.database, ANA)
            wrong = f"{(int(mail.code) + 1) % 1_000_000:06}"
            for _ in range(5):
                answer = await confirm(mailed, client, request_id=asked["request_id"], code=wrong)
                tried += 1
                assert refused(answer), tried
    asked = (await ask(mailed)).json()
    mail = await newest_mail(mailed.database, ANA)
    limited = await confirm(mailed, request_id=asked["request_id"], code=mail.code)
    assert (limited.status_code, limited.json()["type"]) == (429, "/problems/too-many-requests")
    assert limited.headers["Retry-After"] == "3600"
    assert (await confirm(mailed, token=mail.token)).status_code == 200
    # Nobody else is locked out by it.
    async with mailed.new_client() as other:
        await by_code(mailed, "ben@example.org", other)


async def test_five_mails_an_hour_to_one_address_from_one_network(mailed: Paywall) -> None:
    for spelling in (ANA, "ANA@example.org", "Ana@EXAMPLE.org", ANA, ANA):
        assert (await ask(mailed, spelling)).status_code == 202
    answer = await ask(mailed)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3600")
    assert (await ask(mailed, "ben@example.org")).status_code == 202
    assert len(await rows(mailed, Mail)) == 6


@on_sqlite
async def test_a_strangers_requests_keep_no_reader_from_a_mail(mailed: Paywall) -> None:
    await by_code(mailed)
    statuses = []
    for network in range(11):
        async with client_of(mailed.app, mailed.settings, f"203.0.{network}.7") as stranger:
            statuses += [(await ask(mailed, ANA, stranger)).status_code for _ in range(6)]
    # The attacker: five from each network, and at most fifty in all, that of the reader included.
    assert statuses.count(202) == 49
    assert statuses[:6] == [202] * 5 + [429]
    # The reader, in the browser that has signed in before; elsewhere they wait.
    assert (await ask(mailed, ANA)).status_code == 202
    async with client_of(mailed.app, mailed.settings, "203.0.200.7") as elsewhere:
        assert (await ask(mailed, ANA, elsewhere)).status_code == 429


@on_sqlite
async def test_a_stranger_from_one_network_keeps_nobody_elsewhere_from_a_mail(
    mailed: Paywall,
) -> None:
    async with client_of(mailed.app, mailed.settings, "203.0.113.7") as stranger:
        statuses = [(await ask(mailed, ANA, stranger)).status_code for _ in range(8)]
    assert statuses == [202] * 5 + [429] * 3
    await by_code(mailed)
