"""Posts with the walls of WordPress's membership plugins, as WordPress stores them.

Each case's text says "open" where the source shows it to everybody before the wall, and "paid"
where it doesn't.
"""

from service.content.importers.article import ImportedArticle
from tests.content.importers.exports import article, meta

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


def imported(content: str, extra: str = "") -> ImportedArticle:
    return article({"title": "", "content:encoded": f"<![CDATA[{content}]]>"}, extra=extra)


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
    "at a line break": ("<p>open one<br class='paywall'>paid two</p>", "", ("subscribers", None)),
    "at a line break between paragraphs": (
        "open one\n\n<br class='paywall' />\n\npaid two", "", ("subscribers", None)),
    "in an element that goes": (
        "open one\n\n<noscript><!-- paywall --></noscript>\n\npaid two", "", ("subscribers", None)),
    "in a formula": (
        "<p>open one</p><math><!-- paywall --></math><p>paid two</p>", "", ("subscribers", None)),
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
