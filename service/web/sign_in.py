"""What pages with a sign-in form need to know of their visitor."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from service.db.tables import SignInRequest
from service.identity.callers import Caller
from service.identity.devices import pseudonym
from service.identity.readers import find_reader
from service.identity.return_to import checked_return_to
from service.problems import Problem
from service.settings import Settings
from service.web.words import in_words

HOME = "/account"
_SHORT_NAME = 3


@dataclass(frozen=True)
class Visitor:
    """`can_sign_in`: a mail would change something, since no address is verified here.

    `confirms`: signed in already, by a purchase; then `email` is the address typed there.
    """

    is_signed_in: bool = False
    can_sign_in: bool = False
    confirms: bool = False
    email: str = ""


async def visitor_of(session: AsyncSession, caller: Caller, settings: Settings) -> Visitor:
    """The caller as a visitor; who has verified an address is never asked for one again."""
    if not settings.readers_can_sign_in or caller.verified:
        return Visitor(is_signed_in=caller.reader_id is not None)
    if caller.reader_id is None:
        return Visitor(can_sign_in=True)
    reader = await find_reader(session, caller.reader_id)
    email = reader.email if reader is not None else None
    return Visitor(is_signed_in=True, can_sign_in=True, confirms=True, email=email or "")


@dataclass(frozen=True)
class LinkShown:
    """Whose account a link opens; `elsewhere`: another browser asked for it."""

    address: str
    elsewhere: bool


def link_shown(asked: SignInRequest, caller: Caller) -> LinkShown | None:
    """What the link's page says before its button; None for a link of the newsroom's."""
    if asked.email is None:
        return None
    device = pseudonym(caller.device_id) if caller.device_id is not None else None
    return LinkShown(masked(asked.email), asked.device_id != device)


def masked(email: str) -> str:
    """Enough of an address to know one's own by: "a…a@example.org"."""
    name, _, domain = email.rpartition("@")
    return f"{name[0]}…{name[-1]}@{domain}" if len(name) > _SHORT_NAME else f"{name[0]}…@{domain}"


@dataclass(frozen=True)
class Form:
    """A form of the sign-in, with what was typed and what is wrong with it.

    `mailed_to` is the address of the mail, where this browser may know it.
    """

    return_to: str = HOME
    typed: str = ""
    error: str = ""
    mailed_to: str = ""


SPENT_CODE = "This code has expired. Request a new e-mail below."


def kept_return_to(value: str, settings: Settings) -> str:
    """`value` where it may be gone back to, else the account: a link with a mistake leads on too."""
    try:
        return checked_return_to(value, settings)
    except Problem:
        return HOME


def form_error(problem: Problem) -> str | None:
    """What a form says of a problem that the reader can put right in it; None: of no other."""
    match problem.slug:
        case "invalid-email":
            return "Enter a valid e-mail address, such as reader@example.org."
        case "sign-in-refused":
            return "This code is incorrect or has expired."
        case "too-many-requests":
            seconds = int(problem.headers.get("Retry-After", "60"))
            return f"{problem.detail} Try again {in_words(seconds)}."
        case _:
            return None
