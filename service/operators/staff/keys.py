"""Making and revoking API keys, with their audit rows."""

from collections.abc import Sequence

from service.db.context import Context
from service.db.tables import ApiKey
from service.identity.api_keys import NewKey, make_api_key
from service.identity.audit import change_by
from service.identity.callers import Actor
from service.identity.permissions import permissions_of_scopes
from service.problems import Problem, invalid_field


async def create_key(
    context: Context, actor: Actor, *, label: str, scopes: Sequence[str]
) -> NewKey:
    """Make a key that may do no more than the actor.

    Problems: `invalid-request` for an unknown scope or an odd label, `forbidden`: a scope too many.
    """
    beyond = sorted(permissions_of_scopes(scopes) - actor.permissions)
    if beyond:
        raise Problem(
            "forbidden", f"You don't have {', '.join(beyond)}, so you can't give it to a key."
        )
    async with change_by(context, actor.label) as change:
        try:
            made = await make_api_key(
                change.session, label=label, scopes=scopes, now=change.clocks.wall()
            )
        except ValueError as error:
            raise invalid_field("body.label", f"The key wasn't created: {error}.") from error
        shown = {"label": label, "scopes": made.row.scopes}
        await change.record("api-key.create", made.row.prefix, after=shown)
    return made


async def revoke_key(context: Context, actor: Actor, prefix: str) -> ApiKey:
    """Refuse the key from now on; repeating changes nothing.

    Problems: `not-found`; `forbidden`: the key may do what the actor may not.
    """
    async with change_by(context, actor.label) as change:
        key = await change.session.get(ApiKey, prefix, with_for_update=True, populate_existing=True)
        if key is None:
            raise Problem("not-found", "API key not found. Check its prefix in the list.")
        beyond = sorted(permissions_of_scopes(key.scopes) - actor.permissions)
        if beyond:
            raise Problem(
                "forbidden",
                f"This key has {', '.join(beyond)}, which you don't have. Ask an operator who has it.",
            )
        if key.revoked_at is None:
            key.revoked_at = change.clocks.wall()
            await change.session.flush()
            await change.record("api-key.revoke", prefix)
    return key
