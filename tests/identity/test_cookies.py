"""Which of a request's cookies are ours."""

import pytest
from starlette.requests import Request

from service.identity.cookies import read_cookie
from service.settings import Settings

NAME = b"__Host-pw_session"


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([NAME + b"=ours"], "ours"),
        ([b"a=b; " + NAME + b"=ours; c=d"], "ours"),
        ([b"a=b;\t" + NAME + b"=ours "], "ours"),
        ([b"a=b", NAME + b"=ours"], "ours"),
        ([NAME + b"=a=b"], "a=b"),
        ([NAME + b"=ours; " + NAME + b"=ours"], "ours"),
        # Set twice, by us and by somebody else: nobody knows which is ours.
        ([NAME + b"=theirs; " + NAME + b"=ours"], None),
        ([NAME + b"=theirs", NAME + b"=ours"], None),
        # Names that a sister host can set in a browser, and a lenient parser takes for ours.
        *(([before + NAME + after + b"=theirs"], None)
          for before, after in [
              (b"\xa0", b""), (b"\xc2\xa0", b""), (b"", b"\xa0"), (b"\x0b", b""), (b"\x0c", b""), (b"\x1f", b""),
              (b"\x85", b""), (b"\xe2\x80\x8b", b""), (b'"', b'"'), (b"x", b""), (b"", b"x"), (b"$", b"")]),
        ([b"\xa0" + NAME + b"=theirs; " + NAME + b"=ours"], "ours"),
        ([b"__host-pw_session=theirs"], None),
        ([b"pw_session=theirs"], None),
        ([NAME], ""),
        ([], None),
    ],
)  # fmt: skip
def test_a_cookie_is_ours_by_its_exact_name(
    lines: list[bytes], value: str | None, plain_settings: Settings
) -> None:
    secure = plain_settings.model_copy(update={"insecure_cookies": False})
    headers = [(b"cookie", line) for line in lines]
    request = Request({"type": "http", "headers": headers})
    assert read_cookie(request, "session", secure) == value
