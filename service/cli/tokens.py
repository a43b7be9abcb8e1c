"""`paywall tokens`: revoking tokens in circulation."""

import re
from typing import Annotated

import typer

from service.cli.changing import changing
from service.cli.running import CommandFailed, command
from service.settings import Settings
from service.tokens.claims import LONGEST_TEXT
from service.tokens.revoked import Claim, revoke_claim

app = typer.Typer(
    help="Issued tokens.",
    epilog="Example: paywall tokens revoke --sid ses_…",
    no_args_is_help=True,
)
_LIKE_A_TOKEN = re.compile(r"[^.]+\.[^.]+\.[^.]+")


@app.callback()
def tokens() -> None:
    """Issued tokens."""


@app.command(epilog="Example: paywall tokens revoke --sub rdr_…")
@command
async def revoke(
    jti: Annotated[str | None, typer.Option(help="One token, by its own identifier.")] = None,
    sid: Annotated[str | None, typer.Option(help="All tokens of a session until now.")] = None,
    sub: Annotated[
        str | None, typer.Option(help="All tokens of a reader or device until now.")
    ] = None,
) -> None:
    """Refuse tokens issued until now, by one of their claims. A session that lives gets new ones."""
    claim, value = _one_of({"jti": jti, "sid": sid, "sub": sub})
    async with changing(Settings()) as change:
        now = change.clocks.wall()
        await revoke_claim(change.session, claim, value, now=now)
        await change.record(
            "token.revoke", f"{claim}:{value}", after={"issued_before": now.isoformat()}
        )
    print(
        f"{claim} {value}: tokens issued until now are refused within a minute here, "
        "and elsewhere when they expire, in ten minutes at most."
    )


def _one_of(given: dict[Claim, str | None]) -> tuple[Claim, str]:
    named = [(claim, value) for claim, value in given.items() if value is not None]
    if len(named) != 1:
        raise CommandFailed("Name what to revoke by exactly one of --jti, --sid and --sub.")
    claim, value = named[0]
    if not value or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise CommandFailed(f"No token has such a {claim}.")
    if _LIKE_A_TOKEN.fullmatch(value):
        raise CommandFailed(
            "That is a token's text, of which there is more than one valid spelling. "
            f"Give the claim {claim} from inside it."
        )
    return claim, value
