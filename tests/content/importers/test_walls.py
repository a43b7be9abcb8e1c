"""The walls of WordPress's membership plugins: enclosed text is public nowhere, its level comes along.

Each case's text says "open" where the source shows it to everybody before the wall, and "paid"
where it doesn't.
"""

import pytest

from service.content.cut import render
from service.content.import_articles import as_sent, import_articles
from service.content.import_summary import Entry
from service.content.importers.article import ImportedArticle
from service.content.publish import prepare
from service.content.rules import limits_of
from service.content.store import get_article
from service.db.session import Database
from service.settings import Settings
from tests.content.importers.exports import article, articles, import_run, item, meta
from tests.databases import on_sqlite

OPEN = "<!-- wp:paragraph -->\n<p>open one</p>\n<!-- /wp:paragraph -->\n\n"
PAID = "<!-- wp:paragraph -->\n<p>paid two</p>\n<!-- /wp:paragraph -->\n\n"
LATER = "<!-- wp:paragraph -->\n<p>later</p>\n<!-- /wp:paragraph -->\n\n"
NEWSPACK = (
    '<!-- wp:group {"newspackAccessControlMode":"%s",%s,"newspackAccessControlVisibility":"%s"} -->'
    '<div class="wp-block-group">%s</div><!-- /wp:group -->'
)


def block(name: str, attributes: str = "", inner: str = PAID) -> str:
    return f"<!-- wp:{name} {attributes}-->\n{inner}<!-- /wp:{name} -->\n\n"


def jetpack(access: str) -> str:
    return meta("_jetpack_newsletter_access", access)


SUBSCRIBERS, REGISTERED = ("subscribers", ()), ("registered", ())

WALLS = {
    "jetpack paywall": (OPEN + "<!-- wp:jetpack/paywall /-->\n\n" + PAID, "", SUBSCRIBERS),
    "jetpack paywall with text": (OPEN + block("jetpack/paywall", "", "") + PAID, "", SUBSCRIBERS),
    "jetpack paywall for free subscribers": (
        OPEN + "<!-- wp:jetpack/paywall /-->\n\n" + PAID,
        jetpack("subscribers"),
        REGISTERED,
    ),
    "jetpack paywall for payers": (
        OPEN + "<!-- wp:jetpack/paywall /-->" + PAID,
        jetpack("paid_subscribers_all_tiers"),
        SUBSCRIBERS,
    ),
    "jetpack premium content": (
        OPEN
        + block(
            "premium-content/container",
            '{"selectedPlanIds":[50,60]} ',
            block("premium-content/logged-out-view", "", "<p>subscribe!</p>")
            + block("premium-content/subscriber-view"),
        )
        + LATER,
        "",
        ("subscribers", ("50", "60")),
    ),
    "jetpack premium content of old": (
        OPEN + block("premium-content/container", '{"selectedPlanId":7} '),
        "",
        ("subscribers", ("7",)),
    ),
    "newspack gate": (
        OPEN + NEWSPACK % ("gate", '"newspackAccessControlGateIds":[3]', "visible", PAID),
        "",
        SUBSCRIBERS,
    ),
    "newspack registration": (
        OPEN
        + NEWSPACK
        % (
            "custom",
            '"newspackAccessControlRules":{"registration":{"active":true}}',
            "visible",
            PAID,
        ),
        "",
        REGISTERED,
    ),
    "newspack custom access": (
        OPEN
        + NEWSPACK
        % (
            "custom",
            ('"newspackAccessControlRules":{"registration":{"active":true},'
            '"custom_access":{"active":true,"access_rules":[[]]}}'),
            "visible",
            PAID,
        ),
        "",
        SUBSCRIBERS,
    ),
    "woocommerce memberships": (
        'open one\n\n[wcm_restrict plans="gold, silver"]paid two[/wcm_restrict]\n\nlater',
        "",
        ("subscribers", ("gold", "silver")),
    ),
    "woocommerce memberships block": (
        OPEN + block("woocommerce-memberships/member-content", '{"plans":["gold"]} '),
        "",
        ("subscribers", ("gold",)),
    ),
    "pmpro": ('open one\n\n[membership level="1"]paid two[/membership]\n\nlater', "",
              ("subscribers", ("1",))),
    "pmpro any level": ("open one\n\n[membership]\npaid two\n[/membership]\nlater", "", SUBSCRIBERS),
    "pmpro levels": ('open one [membership levels="1,3" delay="7"]paid two[/membership]', "",
                     ("subscribers", ("1", "3"))),
    "pmpro block": (OPEN + block("pmpro/membership", '{"levels":["2"],"uid":"u"} '), "",
                    ("subscribers", ("2",))),
    "pmpro block for those signed in": (
        OPEN + block("pmpro/membership", '{"segment":"logged_in"} '), "", REGISTERED),
    "rcp": ("open one\n\n[restrict]\n\npaid two\n\n[/restrict]\n\nlater", "", REGISTERED),
    "rcp paid": ('open one\n\n[restrict paid="true"]paid two[/restrict]', "", SUBSCRIBERS),
    "rcp subscriptions": ('open one\n\n[restrict subscription="1,2" message="No"]paid two[/restrict]',
                          "", ("subscribers", ("1", "2"))),
    "rcp role": ('open one\n\n[restrict userlevel="editor"]paid two[/restrict]', "", SUBSCRIBERS),
    "rcp is_paid": ("open one\n\n[is_paid]paid two[/is_paid]", "", SUBSCRIBERS),
    "rcp is_free": ("open one\n\n[is_free hide_from_paid=false]paid two[/is_free]", "", REGISTERED),
    "rcp visitors": (
        "open one\n\n[not_logged_in]Please sign in.[/not_logged_in]\n\n[restrict]paid two[/restrict]",
        "",
        REGISTERED,
    ),
    "memberpress": ('open one\n\n[mepr-active rules="12" ifallowed="show"]paid two[/mepr-active]',
                    "", SUBSCRIBERS),
    "memberpress memberships": ('open one [mepr-active memberships="3,4"]paid two[/mepr-active]', "",
                                ("subscribers", ("3", "4"))),
    "memberpress show": ('open one\n\n[mepr-show if="rule: 12" unauth="both"]paid two[/mepr-show]',
                         "", SUBSCRIBERS),
    "memberpress signed in": ('open one\n\n[mepr-show if="loggedin"]paid two[/mepr-show]', "",
                              REGISTERED),
    "members": ('open one\n\n[members_access role="editor"]paid two[/members_access]', "",
                SUBSCRIBERS),
    "s2member": ("open one\n\n[s2If current_user_can(access_s2member_level1)]paid two[/s2If]", "",
                 SUBSCRIBERS),
    "ghost gated block": (
        ('<p>open one</p><!--kg-gated-block:begin nonMember:false memberSegment:"status:-free" -->'
        "<p>paid two</p><!--kg-gated-block:end--><p>later</p>"),
        "",
        SUBSCRIBERS,
    ),
    "ghost gated block for members": (
        ("<p>open one</p><!--kg-gated-block:begin nonMember:false "
        'memberSegment:"status:free,status:-free" --><p>paid two</p><!--kg-gated-block:end-->'),
        "",
        REGISTERED,
    ),
    "paywall element": ("<p>open one</p><paywall><p>paid two</p></paywall>", "", SUBSCRIBERS),
    "unknown shortcode": ("open one\n\n[acme_premium]paid two[/acme_premium]", "", SUBSCRIBERS),
    "unknown attribute": ('open one\n\n[box visibility="vip"]paid two[/box]', "", SUBSCRIBERS),
    "unknown mark on its line": ("open one\n\n[paywall]\n\npaid two", "", SUBSCRIBERS),
    "unknown block": (OPEN + block("acme/members-area"), "", SUBSCRIBERS),
    "unknown block attribute": (OPEN + block("group", '{"restrictTo":["gold"]} '), "", SUBSCRIBERS),
    "block visibility": (
        OPEN + block("group", '{"blockVisibility":{"controlSets":[{"id":1}]}} '), "", SUBSCRIBERS),
    "broken attributes": (OPEN + block("acme/box", '{"members-only":tru '), "", SUBSCRIBERS),
    "in a table": (("open one\n<table><tr><td>open</td></tr><tr><td>[is_paid]paid two[/is_paid]</td>"
                   "</tr></table>"), "", SUBSCRIBERS),
    "in a list": ("<ul><li>open one</li><li>open [is_paid]paid two[/is_paid]</li></ul>", "",
                  SUBSCRIBERS),
    "in a quotation": ("open one <blockquote>open [is_paid]paid two[/is_paid]</blockquote>", "",
                       SUBSCRIBERS),
    "in formatting": ("open one <em>open [is_paid]paid two[/is_paid]</em> later", "", SUBSCRIBERS),
    "in a caption": (('open one\n\n[caption width="3"]<img src="https://a.example/a.jpg"> '
                     "[is_paid]paid two[/is_paid][/caption]"), "", SUBSCRIBERS),
    **{
        f"damaged: {bracket}": (f"open one\n\n{bracket}paid it's two, paid two[/{bracket[1:9]}]", "",
                                SUBSCRIBERS)
        for bracket in (
            "[restrict message=Don't]", '[restrict paid="true]', "[restrict <b>paid=true</b>]",
            '[restrict paid="true"<br />\nmessage="x"]', "[restrict,paid]", "[restrict\u200b]",
            '[restrict&nbsp;paid="true"]', "[restrict&#160;paid=true]",
        )
    },
    "in a poem": ("open one<pre>[is_paid]paid two[/is_paid]</pre>", "", SUBSCRIBERS),
    "in code": ("open one <code>x [is_paid]paid two[/is_paid]</code>", "", SUBSCRIBERS),
    "in raw text, by its look": ("open one<pre>a\n<!-- premium -->paid two\na\na</pre>", "",
                                 ("subscribers", None)),
    "in raw text": ("open one<pre>open <!--paywall--> paid two</pre>", "", ("subscribers", None)),
    "without an end": ('open one\n\n[acme_paywall price="3"]\n\npaid two', "", SUBSCRIBERS),
    "known, without an end": ('open one\n\n[restrict paid="true"]\n\npaid two', "", SUBSCRIBERS),
    "known, alone and without an end": ("open one\n\n[restrict]\n\npaid two", "", SUBSCRIBERS),
    "ends that differ in case": ("open one\n\n[Restrict]paid two[/restrict]", "", REGISTERED),
    "quotes of a word processor": (
        "open one\n\n[membership level=”1″]paid two[/membership]",
        "",
        ("subscribers", ("1",)),
    ),
    "quotes around two words": (
        "open one\n\n[membership level=“Gold Plus”]paid two[/membership]",
        "",
        ("subscribers", ("gold-plus",)),
    ),
    "quotes as entities": (
        "open one\n\n[membership level=&quot;Gold Plus&quot;]paid two[/membership]",
        "",
        ("subscribers", ("gold-plus",)),
    ),
    "known, amid a line and without an end": ("open one [restrict] paid two", "", SUBSCRIBERS),
    "known with a hyphen, amid a line": ("open one [mepr-active] paid two", "", SUBSCRIBERS),
    "hidden by its page": (
        '<p>open one</p><div class="members-only" style="display: none"><p>paid two</p></div>',
        "",
        ("subscribers", None),
    ),
    "a tag in an attribute": (
        'open one\n\n[is_paid text="<b>Join</b>"]paid two[/is_paid]',
        "",
        SUBSCRIBERS,
    ),
    "in a cell": ("<table><tr><td>open one</td><td>[is_paid]paid two[/is_paid]</td></tr></table>", "",
                  SUBSCRIBERS),
    "steady": ("open one\n\n___STEADY_PAYWALL___\n\npaid two", "", SUBSCRIBERS),
    "an attribute within another": (
        OPEN + block("group", '{"acme":{"visibility":"members"}} '),
        "",
        SUBSCRIBERS,
    ),
    "roles": (OPEN + block("group", '{"acme":{"userRoles":["editor"]}} '), "", SUBSCRIBERS),
    **{
        f"unknown [{name}]": (f"open one\n\n[{name}]paid two[/{name}]", "", SUBSCRIBERS)
        for name in (
            "wlm_private", "private_gold", "accessally_has_any_tag", "access", "wpmem_logged_in",
            "if-logged-in", "patreon_content", "cp_protected", "paid", "content_locker",
            "sociallocker", "protected", "passster", "student",
        )
    },
    "block without an end": (OPEN + "<!-- wp:premium-content/container -->" + PAID, "", SUBSCRIBERS),
    "visitors' block without an end": (
        OPEN + "<!-- wp:premium-content/logged-out-view -->" + PAID, "", SUBSCRIBERS),
    "at the beginning": ("[restrict]paid two[/restrict] later", "", REGISTERED),
    "after the author's mark": ("open one<!--more-->paid\n\n[is_paid]paid two[/is_paid]", "",
                                SUBSCRIBERS),
    "before the author's mark": ("open one\n\n[is_paid]paid two[/is_paid]<!--more-->later", "",
                                 SUBSCRIBERS),
    "two plans": (
        'open one\n\n[membership level="1"]paid two[/membership][membership level="2"]paid[/membership]',
        "",
        ("subscribers", ("1", "2")),
    ),
    "two kinds": ("open one\n\n[is_free]paid two[/is_free]\n\n[is_paid]paid[/is_paid]", "",
                  SUBSCRIBERS),
}  # fmt: skip


def imported(content: str, extra: str = "") -> ImportedArticle:
    return article({"title": "", "content:encoded": f"<![CDATA[{content}]]>"}, extra=extra)


@on_sqlite
@pytest.mark.parametrize("case", WALLS)
def test_text_behind_a_wall_is_public_nowhere(case: str, settings: Settings) -> None:
    content, extra, (level, plans) = WALLS[case]
    made = imported(content, extra)
    if plans is not None:
        assert (made.level, made.plans) == (level, plans)
    prepared = prepare(made.slug, as_sent(made), settings)
    assert prepared.level == level
    rendered = prepared.rendered
    public = " ".join((made.title, made.standfirst, rendered.preview_html, rendered.search_text))
    assert "paid" not in public, rendered.preview_html
    assert "paid two" in rendered.body_html.replace("<p>", "")
    if case != "at the beginning":
        assert "open one" in rendered.preview_html
    assert not {"[", "wp:"} & {part for part in ("[", "wp:") if part in rendered.body_html}


@pytest.mark.parametrize(
    "reference",
    [
        '{"ref":31} /',
        '{"ref":"31"} /',
        '{"ref":31,"metadata":{"name":"Wall"}} /',
        '{"ref":31,"content":{"Words":{"content":"Join"}}} /',
        '{"ref":31} --><!-- /wp:block ',
    ],
)
def test_a_wall_in_a_reusable_block_closes_the_article(reference: str) -> None:
    reusable = {
        "wp:post_id": "31",
        "wp:post_type": "wp_block",
        "content:encoded": "<![CDATA[<!-- wp:jetpack/paywall /-->]]>",
    }
    content = f"<![CDATA[{OPEN}<!-- wp:block {reference}-->{PAID}]]>"
    (made,) = articles(item({"content:encoded": content}) + item(reusable))
    assert made.level == "subscribers"
    assert made.body.index("<!--wall:subscribers-->") < made.body.index("paid two")
    assert [note.kind for note in made.notes] == ["block-words"] * ("content" in reference)


@on_sqlite
@pytest.mark.parametrize(
    "sign",
    [
        '<div class="paywall"></div>',
        "<p><members-only></members-only></p>",
        '<ul><li data-visibility="paid"></li></ul>',
        '<span class="premium-content"> </span>',
    ],
)
def test_a_sign_without_words_closes_what_follows(sign: str, settings: Settings) -> None:
    made = imported(f"open one\n\n{sign}\n\npaid two\n\nlater")
    prepared = prepare(made.slug, as_sent(made), settings)
    assert prepared.level == "subscribers"
    assert "paid" not in prepared.rendered.search_text


@on_sqlite
@pytest.mark.parametrize("block", ["<ul><li>{}</li></ul>", "<table><tr><td>{}</td></tr></table>"])
def test_an_authors_mark_for_members_holds_amid_a_block(block: str, settings: Settings) -> None:
    made = imported(block.format("open <!--Members-Only-->paid") + "<p>later</p>")
    rendered = render(made.body, "html", limits_of(settings))
    assert (rendered.cut_by, rendered.search_text) == ("mark", "open")


@pytest.mark.parametrize("name", ["alt", "title"])
def test_a_wall_in_an_attribute_ends_it(name: str) -> None:
    made = imported(f'open <img src="/a.jpg" {name}="Harbour [is_paid]paid[/is_paid]"> [sic]')
    assert f'{name}="Harbour"' in made.body
    kept = imported(f'open <img src="/a.jpg" {name}="the [member] for Harbour [sic]">')
    assert f'{name}="the [member] for Harbour [sic]"' in kept.body


@pytest.mark.parametrize("case", [name for name in WALLS if "unknown" in name or "broken" in name])
def test_what_only_looks_like_a_wall_is_named(case: str) -> None:
    content, extra, _ = WALLS[case]
    assert "unknown-wall" in {note.kind for note in imported(content, extra).notes}


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


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("_jetpack_newsletter_access", "everybody", (None, ())),
        ("_jetpack_newsletter_access", "", (None, ())),
        ("_jetpack_newsletter_access", "subscribers", REGISTERED),
        ("_jetpack_newsletter_access", "paid_subscribers", SUBSCRIBERS),
        ("_jetpack_newsletter_access", "some_future_tier", SUBSCRIBERS),
        ("_jetpack_memberships_contains_paid_content", "1", SUBSCRIBERS),
        ("_is_paid", "1", SUBSCRIBERS),
        ("_is_paid", "", (None, ())),
        ("rcp_subscription_level", "any", REGISTERED),
        ("rcp_subscription_level", "any-paid", SUBSCRIBERS),
        ("rcp_subscription_level", 'a:2:{i:0;s:1:"1";i:1;s:1:"3";}', ("subscribers", ("1", "3"))),
        ("rcp_subscription_level", "all", (None, ())),
        ("rcp_user_level", "All", (None, ())),
        ("rcp_user_level", 'a:1:{i:0;s:10:"Subscriber";}', REGISTERED),
        ("rcUserLevel", "Editor", SUBSCRIBERS),
        ("_members_access_role", "editor", SUBSCRIBERS),
        ("_wc_memberships_force_public", "yes", (None, ())),
    ],
)
def test_a_posts_own_fields_set_its_level(
    field: str, value: str, expected: tuple[str | None, tuple[str, ...]]
) -> None:
    made = article(extra=meta(field, value))
    assert (made.level, made.plans) == expected


def test_an_unknown_field_that_looks_like_a_restriction_is_told() -> None:
    (note,) = article(extra=meta("_acme_paywall", "gold") + meta("_acme_restrict", "0")).notes
    assert (note.kind, note.detail) == ("restriction-meta", "_acme_paywall")


def test_a_plan_has_the_name_that_it_has_here() -> None:
    made = imported('open\n\n[membership level="1,Gold Plus"]paid[/membership]')
    assert made.plans == ("1", "gold-plus")


@on_sqlite
@pytest.mark.parametrize(
    "content",
    [
        '<p>open one</p><div class="members-only"><p>paid two</p></div>',
        '<p>open one</p><div data-visibility="premium"><p>paid two</p></div>',
        "<p>open one</p><!-- members only --><p>paid two</p>",
        "<p>open one</p><!-- acme-paywall --><p>paid two</p>",
    ],
)
async def test_a_wall_in_the_html_alone_is_named_too(
    content: str, database: Database, settings: Settings
) -> None:
    recorded: list[Entry] = []
    run = import_run(settings, record=recorded.append)
    await import_articles(database, [imported(content)], run)
    (entry,) = recorded
    assert (entry.outcome, entry.level) == ("created", "subscribers")
    assert "html-wall" in {note.kind for note in entry.notes}
    assert entry.slug is not None
    async with database.reading() as session:
        stored = await get_article(session, entry.slug)
    assert stored is not None
    assert "paid" not in stored.preview_html
    assert "paid two" in stored.body_html


SIGNS = [
    "[is_paid]paid[/is_paid]",
    "<!-- wp:jetpack/paywall /-->paid",
    "<!--More-->paid",
    "<!--members-only-->paid",
    "<!--kg-gated-block:begin nonMember:false-->paid",
    "<paywall>paid</paywall>",
    "<div class='members-only'>paid</div>",
    "<div data-access=members>paid</div>",
    "<pre class='paywall'>paid</pre>",
    "<div data-paywall>paid</div>",
]


@pytest.mark.parametrize("sign", SIGNS)
def test_no_title_or_standfirst_is_made_of_what_a_wall_closes(sign: str) -> None:
    made = article(
        {
            "title": "",
            "content:encoded": f"<![CDATA[<p>open</p>{sign}]]>",
            "excerpt:encoded": f"<![CDATA[open {sign}]]>",
        }
    )
    assert (made.title, made.standfirst) == ("open", "open")
