"""Where one can go in the back office, by subject: each place asks for its permission."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from service.identity.permissions import Permission


@dataclass(frozen=True)
class Place:
    """A page, with those below it."""

    path: str
    words: str
    permission: Permission
    also: tuple[str, ...] = ()
    """Paths of other pages that belong to it."""

    def relation(self, path: str) -> str:
        """What aria-current says at `path`: page, true (a page of this place), or nothing."""
        if path == self.path:
            return "page"
        roots = self.also if self.path == HOME else (self.path, *self.also)
        return "true" if any(path == each or path.startswith(f"{each}/") for each in roots) else ""


@dataclass(frozen=True)
class Group:
    """Places of one subject. A group of one is the place itself."""

    words: str
    places: tuple[Place, ...]


HOME = "/admin"
GROUPS = (
    Group("Today", (Place(HOME, "Today", Permission.REPORTS_READ),)),
    Group(
        "Readers",
        (
            Place(
                "/admin/readers",
                "Readers",
                Permission.SUBSCRIBERS_READ,
                also=("/admin/subscribers", "/admin/unbound"),
            ),
            Place("/admin/entitlements", "External entitlements", Permission.SUBSCRIBERS_READ),
            Place("/admin/institutions", "Institutions", Permission.SUBSCRIBERS_READ),
            Place("/admin/seats", "Seats", Permission.SUBSCRIBERS_READ),
            Place("/admin/gift-subscriptions", "Gift subscriptions", Permission.SUBSCRIBERS_READ),
            Place("/admin/gift-links", "Gift links", Permission.SUBSCRIBERS_READ),
            Place("/admin/sharing", "Shared accounts", Permission.SUBSCRIBERS_READ),
        ),
    ),
    Group(
        "Articles",
        (
            Place("/admin/articles", "Articles", Permission.ARTICLES_READ),
            Place("/admin/explain", "Check access", Permission.DECISIONS_READ),
        ),
    ),
    Group("Offers", (Place("/admin/offers", "Offers", Permission.OFFERS_READ),)),
    Group(
        "Money",
        (
            Place("/admin/money", "Money", Permission.SUBSCRIBERS_READ),
            Place("/admin/money/payouts", "Payouts", Permission.REPORTS_READ),
        ),
    ),
    Group(
        "Reports",
        (
            Place(
                "/admin/reports",
                "All reports",
                Permission.REPORTS_READ,
                also=("/admin/movements", "/admin/cancellations"),
            ),
            Place("/admin/stripe-figures", "Stripe’s figures", Permission.REPORTS_READ),
        ),
    ),
    Group(
        "Settings",
        (
            Place("/admin/rules", "Rules", Permission.ARTICLES_READ),
            Place("/admin/crawlers", "Crawlers", Permission.ARTICLES_READ),
            Place("/admin/exchange-rates", "Exchange rates", Permission.REPORTS_READ),
            Place("/admin/experiments", "Experiments", Permission.REPORTS_READ),
            Place("/admin/settings", "Current settings", Permission.SYSTEM_READ),
            Place("/admin/operators", "Operators", Permission.OPERATORS_READ),
            Place("/admin/api-keys", "API keys", Permission.KEYS_READ),
        ),
    ),
    Group(
        "System",
        (
            Place("/admin/inbox", "Stripe events", Permission.SYSTEM_READ),
            Place("/admin/jobs", "Jobs", Permission.SYSTEM_READ),
            Place("/admin/reconciliations", "Reconciliation", Permission.SYSTEM_READ),
            Place("/admin/stripe-import", "Stripe import", Permission.SYSTEM_READ),
            Place("/admin/webhooks", "Webhooks", Permission.SYSTEM_READ),
            Place("/admin/audit", "Audit log", Permission.AUDIT_READ),
        ),
    ),
)


@dataclass(frozen=True)
class Link:
    """`current` as the attribute aria-current: page, true (a page below it), or empty."""

    path: str
    words: str
    current: str


@dataclass(frozen=True)
class Navigation:
    """The subjects, and the places of the one that the page belongs to, where it has several."""

    subjects: tuple[Link, ...]
    places: tuple[Link, ...]


def navigation(path: str, permissions: Collection[Permission]) -> Navigation:
    """What is shown at `path` to somebody with these permissions."""
    subjects: list[Link] = []
    here: tuple[Link, ...] = ()
    for group in GROUPS:
        links = tuple(_links(group, path, permissions))
        if not links:
            continue
        is_here = next((each.current for each in links if each.current), "")
        current = is_here if len(links) == 1 else is_here and "true"
        subjects.append(Link(links[0].path, group.words, current))
        if is_here and len(links) > 1:
            here = links
    return Navigation(tuple(subjects), here)


def _links(group: Group, path: str, permissions: Collection[Permission]) -> Iterator[Link]:
    places = [each for each in group.places if each.permission in permissions]
    # Of a place within another one the inner is where one is.
    here = max((each.path for each in places if each.relation(path)), key=len, default="")
    for place in places:
        yield Link(place.path, place.words, place.relation(path) if place.path == here else "")
