"""By what a reader came, from the touch that is captured."""

import pytest

from service.identity.entry import Entry, entry_of
from service.identity.touches import Touch


@pytest.mark.parametrize(
    ("touch", "entry"),
    [
        (Touch(), "direct"),
        (Touch("www.google.com"), "search"),
        (Touch("www.google.co.uk"), "search"),
        (Touch("search.yahoo.com"), "search"),
        (Touch("com.google.android.googlequicksearchbox"), "search"),
        (Touch("news.google.com"), "other"),
        (Touch("mail.google.com"), "newsletter"),
        (Touch("l.facebook.com"), "social"),
        (Touch("t.co"), "social"),
        (Touch("harbour.example"), "other"),
        (Touch("google.example.org"), "search"),
        (Touch("x.harbour.example"), "other"),
        (Touch("www.google.com", medium="email"), "newsletter"),
        (Touch(medium="Newsletter"), "newsletter"),
        (Touch(source="morning-newsletter", medium="cpc"), "newsletter"),
        (Touch(source="facebook", medium="cpc"), "social"),
        (Touch(source="google", medium="cpc"), "search"),
        (Touch(medium="organic"), "search"),
        (Touch(medium="social-media"), "social"),
        (Touch(source="partner"), "other"),
        (Touch(campaign="spring"), "direct"),
    ],
)
def test_a_touch_says_how_the_reader_came(touch: Touch, entry: Entry) -> None:
    assert entry_of(touch) == entry
