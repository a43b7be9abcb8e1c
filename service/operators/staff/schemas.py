"""Operators, API keys and the audit log as JSON."""

from typing import Annotated, Any, Literal, Self

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, WithJsonSchema

from service.bodies import Body, ListOut
from service.db.tables import ApiKey, AuditEntry, Operator
from service.html.list_query import ListQuery
from service.identity.api_keys import LONGEST_LABEL, NewKey
from service.identity.meanwhile import stamp_of
from service.identity.operators import LONGEST_EMAIL
from service.identity.passwords import LONGEST_PASSWORD, MINIMUM_PASSWORD_LENGTH
from service.identity.permissions import SCOPES, Permission
from service.identity.second_factor import is_on
from service.operators.staff.accounts import facts_of
from service.reports.schemas import Storable

RoleName = Literal["viewer", "editor", "billing", "admin"]
OperatorId = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9_]+$")]
KeyPrefix = Annotated[str, Path(max_length=100, pattern=r"^[a-z0-9]+$")]


_SCOPES = [each.value for each in Permission if each in SCOPES]


def _known_scope(scope: str) -> str:
    if scope not in _SCOPES:
        raise ValueError(f"choose among {', '.join(_SCOPES)}")
    return scope


Scope = Annotated[
    str, AfterValidator(_known_scope), WithJsonSchema({"type": "string", "enum": _SCOPES})
]


class OperatorIn(Body):
    """A new account; the operator may change the password afterwards."""

    email: Annotated[str, Storable, Field(max_length=LONGEST_EMAIL, pattern=r"^[^@\s]+@[^@\s]+$")]
    role: RoleName
    password: Annotated[
        str,
        Storable,
        Field(min_length=MINIMUM_PASSWORD_LENGTH, max_length=LONGEST_PASSWORD),
    ]


class OperatorChange(Body):
    """What shall be different; what is absent stays."""

    role: RoleName | None = None
    disabled: bool | None = None
    totp: Literal[False] | None = None
    """`false` switches the second factor off for somebody who has lost it."""


class OperatorOut(BaseModel):
    """An account; `totp`: a second factor is asked for at sign-in."""

    id: str
    email: str
    role: str
    totp: bool
    disabled: bool
    created_at: AwareDatetime
    etag: str
    """What goes into `If-Match`."""

    @classmethod
    def of(cls, operator: Operator) -> Self:
        return cls(
            id=operator.id,
            email=operator.email,
            role=operator.role,
            totp=is_on(operator),
            disabled=operator.disabled_at is not None,
            created_at=operator.created_at,
            etag=stamp_of(facts_of(operator)),
        )


class OperatorList(ListOut[OperatorOut]):
    pass


class ApiKeyIn(Body):
    """A new key: what it is for, and what it may do."""

    label: Annotated[str, Storable, Field(max_length=LONGEST_LABEL)] = ""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50)]


class ApiKeyOut(BaseModel):
    """A key without its secret, which isn't kept. `used_at` is exact to a minute."""

    prefix: str
    label: str
    scopes: list[str]
    created_at: AwareDatetime
    used_at: AwareDatetime | None
    revoked_at: AwareDatetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls.model_validate(key, from_attributes=True)


class ApiKeyMade(ApiKeyOut):
    """A new key; `key` is shown this once."""

    key: str

    @classmethod
    def of_new(cls, made: NewKey) -> Self:
        return cls(**ApiKeyOut.of(made.row).model_dump(), key=made.text)


class ApiKeyList(ListOut[ApiKeyOut]):
    pass


class AuditItem(BaseModel):
    """One change: `actor` is `operator:<id>`, `api_key:<prefix>`, `command` or `system`."""

    id: int
    at: AwareDatetime
    actor: str
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls.model_validate(entry, from_attributes=True)


class AuditList(ListOut[AuditItem]):
    pass


class AuditQuery(ListQuery):
    """Filter and paging; `actor` and `target` are whole ones."""

    actor: Annotated[str, Storable, Field(max_length=200)] = ""
    target: Annotated[str, Storable, Field(max_length=400)] = ""


AnyAudit = Annotated[AuditQuery, Query()]
