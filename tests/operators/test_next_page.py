"""After signing in nobody is led out of the back office."""

import pytest

from service.operators.frame.next_page import checked_next, sign_in_address


@pytest.mark.parametrize(
    "value",
    [
        "/admin",
        "/admin?query=ana%40example.org&status=active",
        "/admin?query=ana+tide&cursor=MTIz_-",
        "/admin/subscribers/rdr_0123456789abcdef01234567",
    ],
)
def test_pages_of_the_back_office_pass(value: str) -> None:
    assert checked_next(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "/",
        "https://example.org/admin",
        "//example.org/admin",
        "/\\example.org",
        "\\/admin",
        " /admin",
        "/admin\n",
        "/admin/\t/example.org",
        "/administrators",
        "/admin.example.org",
        "/admin@example.org",
        "/admin//example.org",
        "/admin/../articles/x",
        "/admin/%2e%2e/articles/x",
        "/admin/..%2farticles",
        "/admin?next=//example.org",
        "/admin#fragment",
        "/admin?x='onload=",
        "/admin/sign-in",
        "/admin/sign-out",
        "/admin/static/admin-css",
        "javascript:alert(1)",
        "/admin/" + "x" * 600,
    ],
)
def test_everything_else_leads_to_the_first_page(value: str) -> None:
    assert checked_next(value) == "/admin"
    assert sign_in_address(value) == "/admin/sign-in"
