import pytest

from service.identity.return_to import checked_return_to
from service.problems import Problem
from service.settings import Settings

SETTINGS = Settings(
    _env_file=None,
    public_url="https://paper.example",
    allowed_origins=("https://www.paper.example",),
)


@pytest.mark.parametrize(
    "value",
    [
        "/",
        "/articles/a?x=1&y=2#part",
        "https://paper.example/articles/a",
        "https://www.paper.example",
        "https://www.paper.example/?a=//b",
    ],
)
def test_paths_and_listed_origins_pass(value: str) -> None:
    assert checked_return_to(value, SETTINGS) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "articles/a",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " /a",
        "https://evil.example/",
        "https://paper.example.evil.example/",
        "https://paper.example@evil.example/",
        "https://paper.example:444/",
        "http://paper.example/",
        "https:paper.example",
        "https:///paper.example",
        "https://[bad/",
        "javascript:alert(1)",
        "data:text/html,x",
        "HTTPS://paper.example\\@evil.example",
        "/" + "a" * 3000,
        "/ü",
        "/\x00",
    ],
)
def test_everything_else_is_refused(value: str) -> None:
    with pytest.raises(Problem) as refusal:
        checked_return_to(value, SETTINGS)
    assert refusal.value.slug == "invalid-return-address"
