"""What visitors alone saw goes, and what only has the form of a wall closes nothing."""

import pytest

from service.content.cut import render
from service.content.preview_limits import limits_of
from service.settings import Settings
from tests.content.importers.walls import NEWSPACK, block, imported
from tests.databases import on_sqlite


@on_sqlite
@pytest.mark.parametrize(
    "content",
    [
        "A story\n\n[not_logged_in]Please sign in.[/not_logged_in]\n\nends.",
        'A story\n\n[membership level="0"]Join us.[/membership]\n\nends.',
        'A story\n\n[mepr-hide if="rule: 12"]Join us.[/mepr-hide]\n\nends.',
        'A story\n\n[mepr-active rules="1" ifallowed="hide"]Join us.[/mepr-active]\n\nends.',
        "A story\n\n[wcm_nonmember]Join <b>us</b>.[/wcm_nonmember]\n\nends.",
        "A story" + block("premium-content/logged-out-view", "", "<p>Join us.</p>") + "ends.",
        "A story" + block("woocommerce-memberships/non-member-content", "", "Join.") + "ends.",
        "A story"
        + NEWSPACK % ("gate", '"newspackAccessControlGateIds":[3]', "hidden", "<p>Join us.</p>")
        + "ends.",
        "A story" + block("group", '{"metadata":{"blockVisibility":false}} ', "Hidden.") + "ends.",
    ],
)
def test_what_members_never_saw_is_left_out_and_told(content: str, settings: Settings) -> None:
    made = imported(content)
    assert [note.kind for note in made.notes if note.kind != "made-up-title"] in (
        ["visitors-only"],
        ["hidden"],
    )
    assert render(made.body, "html", limits_of(settings)).body_html.replace("\n", "") == (
        "<p>A story</p><p>ends.</p>"
    )
    assert made.level is None


@pytest.mark.parametrize(
    "content",
    [
        "He renewed his [membership] at once (FT) [paywall], said the [member] for Harbour.",
        'A story.\n\n[newsletter_form id="1"]\n\n<!-- wp:jetpack/subscriptions /-->\n\nEnds.',
        (
            '<!-- wp:group {"className":"team-members","metadata":{"name":"Team"}} --><p>Us</p>'
            "<!-- /wp:group -->"
        ),
        (
            '<!-- wp:paragraph {"newspackAccessControlVisibility":"visible"} --><p>A</p>'
            "<!-- /wp:paragraph -->"
        ),
        '[mepr-membership-registration-form id="3"] A story.',
        '<!-- wp:group {"lock":{"move":true},"templateLock":"all"} --><p>A</p><!-- /wp:group -->',
        "[accessibility_widget]A story.[/accessibility_widget] [blocked]So.[/blocked]",
        "<pre>[restrict]</pre><code>[is_paid]x</code> and [[restrict]] are shown.",
    ],
)
def test_what_is_no_wall_closes_nothing(content: str) -> None:
    made = imported(content)
    assert made.level is None
    assert "unknown-wall" not in {note.kind for note in made.notes}
