"""Making and revoking API keys, with their audit rows."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from service.clock import Clocks
from service.db.tables import ApiKey
from service.identity.api_keys import NewKey, make_api_key
from service.identity.audit import record
from service.identity.permissions import Permission, permissions_of_scopes
from service.problems import Problem, invalid_field


async def create_key(
    session: AsyncSession,
    *,
    label: str,
    scopes: Sequence[str],
    actor: str,
    permissions: frozenset[Permission],
    clocks: Clocks,
) -> NewKey:
    """Make a key that may do no more than the actor, who has these permissions.

    Problems: `invalid-request` for an unknown scope or an odd label, `forbidden`: a scope too many.
    """
    beyond = sorted(permissions_of_scopes(scopes) - permissions)
    if beyond:
        raise Problem(
            "forbidden", f"You don't have {', '.join(beyond)} yourself, so no key gets it."
        )
    try:
        made = await make_api_key(session, label=label, scopes=scopes, now=clocks.wall())
    except ValueError as error:
        raise invalid_field("body.label", f"No key was made: {error}.") from error
    await record(
        session,
        actor=actor,
        action="api-key.create",
        target=made.row.prefix,
        before=None,
        after={"label": label, "scopes": made.row.scopes},
        now=clocks.business(),
    )
    return made


async def revoke_key(session: AsyncSession, prefix: str, *, actor: str, clocks: Clocks) -> ApiKey:
    """Refuse the key from now on; repeating changes nothing. Problem `not-found`."""
    key = await session.get(ApiKey, prefix, with_for_update=True)
    if key is None:
        raise Problem("not-found", "There is no such API key. Look its prefix up in the list.")
    if key.revoked_at is None:
        key.revoked_at = clocks.wall()
        await session.flush()
        await record(
            session,
            actor=actor,
            action="api-key.revoke",
            target=prefix,
            before=None,
            after=None,
            now=clocks.business(),
        )
    return key
