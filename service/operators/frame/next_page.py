"""Where an operator goes on after signing in: a page of the back office, never anywhere else."""

import re
from urllib.parse import urlencode

HOME = "/admin"
SIGN_IN = "/admin/sign-in"
LONGEST = 500
# Neither dots nor percent signs in the path: no "..", spelled in whatever way, can lead out of it.
_PAGE = re.compile(r"/admin(?:/[A-Za-z0-9_-]+)*(?:\?[A-Za-z0-9_.~%=&+@:-]*)?")
_NOT_AFTERWARDS = ("/admin/sign-in", "/admin/sign-out", "/admin/static")


def checked_next(value: str) -> str:
    """`value` where it is a path of the back office to come back to, else its first page."""
    return value if is_page(value) else HOME


def is_page(value: str) -> bool:
    """Whether it is a path of the back office, but for those of signing in and out."""
    is_short = len(value) <= LONGEST and _PAGE.fullmatch(value) is not None
    return is_short and not value.startswith(_NOT_AFTERWARDS)


def sign_in_address(next_page: str) -> str:
    """The address of the sign-in page that leads on to `next_page`."""
    wanted = checked_next(next_page)
    return SIGN_IN if wanted == HOME else f"{SIGN_IN}?{urlencode({'next': wanted})}"
