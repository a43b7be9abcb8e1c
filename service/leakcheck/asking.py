"""What is asked, of which surface, and as whom. Pure."""

import base64
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit

from service.leakcheck.canary import SECTION, Canary

_CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Googlebot-News", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "PerplexityBot/1.0",
    "CCBot/2.0 (https://commoncrawl.org/faq/)", "Applebot/0.1", "facebookexternalhit/1.1",
    "Twitterbot/1.0", "LinkedInBot/1.0", "Slackbot-LinkExpanding 1.0", "archive.org_bot",
    "Mediapartners-Google", "OAI-SearchBot/1.0", "DuckDuckBot/1.1", "meta-externalagent/1.1",
    "Mozilla/5.0 (compatible; ChatGPT-User/1.0; +https://openai.com/bot)", "Claude-User/1.0",
    "Perplexity-User/1.0",
)  # fmt: skip
Headers = dict[str, str]
_GOOGLE = "66.249.66.1"
_SPOOFED: tuple[dict[str, str], ...] = (
    {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": _GOOGLE}, {"X-Real-IP": "127.0.0.1"},
    {"X-Forwarded-For": ", ".join(["10.0.0.1"] * 200)}, {"Forwarded": "for=127.0.0.1;proto=https"},
    {"True-Client-IP": _GOOGLE}, {"CF-Connecting-IP": "127.0.0.1"}, {"Via": "1.1 google"},
    {"User-Agent": _CRAWLERS[0], "X-Forwarded-For": _GOOGLE, "From": "googlebot(at)googlebot.com"},
    {"X-Original-URL": "/v1/admin/articles"}, {"X-HTTP-Method-Override": "PUT"},
    {"X-Middleware-Subrequest": "middleware:middleware:middleware:middleware:middleware"},
    {"Referer": "https://www.google.com/"}, {"Referer": "https://t.co/a"},
    {"Referer": "https://www.facebook.com/"}, {"Referer": "https://news.google.com/"},
    {"Authorization": "Bearer null"}, {"Authorization": "Bearer undefined"},
    {"Authorization": "Basic YWRtaW46YWRtaW4="}, {"Cookie": "subscriber=1; paid=true; premium=1"},
    {"Cookie": "__Host-pw_session=x; pw_session=x"}, {"Paywall-Device": "forged.device"},
    {"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"},
    {"Accept": "text/markdown"}, {"Accept": "text/plain"}, {"Accept": "application/json"},
    {"Accept": "application/rss+xml"}, {"Accept": "application/ld+json"},
    {"Signature-Agent": 'sig1="https://www.google.com"', "Signature": "sig1=:AAAA:",
     "Signature-Input": 'sig1=("@authority" "signature-agent";key="sig1");created=1;expires=9999999999;keyid="x";'
                        'tag="web-bot-auth"'},
    {"Save-Data": "on"}, {"X-Requested-With": "XMLHttpRequest"}, {"RSC": "1"},
)  # fmt: skip
_RANGES = ("bytes=0-", "bytes=200-", "bytes=-400", "bytes=0-99,400-2000", "bytes=0-999999999")
_CONDITIONS: tuple[dict[str, str], ...] = (
    {"If-None-Match": '"x"'}, {"If-None-Match": "*"}, {"If-Match": '"x"'},
    {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    {"If-Range": '"x"', "Range": "bytes=0-"}, {"Cache-Control": "no-cache"},
    {"Cache-Control": "only-if-cached"},
)  # fmt: skip
_ENCODINGS: tuple[dict[str, str], ...] = (
    {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "br"},
    {"Accept-Encoding": "deflate"}, {"Accept-Encoding": "gzip;q=0, zstd;q=0, *"},
    {"Accept-Encoding": ""}, {"Accept-Charset": "utf-16"}, {"Accept-Language": "de"},
)  # fmt: skip
_QUERIES = (
    "amp=1", "amp", "outputType=amp", "print=1", "view=print", "preview=true", "draft=1", "embed=1",
    "format=json", "full=1", "paywall=0", "utm_source=newsletter", "_escaped_fragment_=", "nocache=1",
    "noscript=1", "output=txt", "gift=gft_0.AAAA", "gift_token=gft_0.AAAA", "unlocked_article_code=x",
    "token=eyJhbGciOiJub25lIn0.e30.", "institution=library", "license=free",
)  # fmt: skip
_FORGED_GIFTS = (
    "", "x", "gft_0.AAAA", f"gft_{'0' * 24}.{'A' * 22}", f"gft_{'0' * 24}.", f".{'A' * 22}",
    "gft_' OR '1'='1", "eyJhbGciOiJub25lIn0.e30.", "true",
)  # fmt: skip
_ENDINGS = ("/", "/amp", "/print", "/embed", "/full", ".json", ".txt", ".md", ".amp.html", ";x=y")
_PLACES = (
    ("feed", "/feed"), ("feed", "/feed/"), ("feed", "/rss"), ("feed", "/rss.xml"), ("feed", "/feed.xml"),
    ("feed", "/atom.xml"), ("feed", "/feed.json"), ("feed", "/feed.atom"), ("feed", "/v1/feed"),
    ("sitemap", "/sitemap.xml"), ("sitemap", "/news-sitemap.xml"), ("sitemap", "/sitemap-news.xml"),
    ("sitemap", "/sitemap_index.xml"), ("sitemap", "/sitemap.xml.gz"), ("sitemap", "/robots.txt"),
    ("sitemap", "/license.xml"), ("sitemap", "/llms.txt"), ("sitemap", "/llms-full.txt"),
    ("list", "/"), ("list", f"/?section={SECTION}"), ("list", f"/tags/{SECTION}"),
    ("list", f"/sections/{SECTION}"), ("list", "/archive"),
)  # fmt: skip
_SEARCHES = ("/?q={}", "/?s={}", "/search?q={}", "/search/{}")


@dataclass(frozen=True)
class Asked:
    """One request: of which surface, as whom, and the words that its answer may not have."""

    surface: str
    audience: str
    method: str
    url: str
    forbidden: tuple[str, ...]
    headers: Headers = field(default_factory=dict)
    body: str = ""
    """JSON that is sent along; empty: none."""
    control: str = ""
    """An address whose answer has the words only if that of `url` says nothing: a search for nonsense."""


@dataclass(frozen=True)
class Site:
    """The address of the API, those of the pages with `{slug}` in them, and the readers that are known.

    `readers` are audiences by name, each with the headers that make it.
    """

    api: str
    pages: tuple[str, ...]
    readers: dict[str, Headers] = field(default_factory=dict)

    @property
    def origins(self) -> tuple[str, ...]:
        """The addresses that belong to the site: nothing else is asked."""
        return tuple(dict.fromkeys(_origin(each) for each in (self.api, *self.pages)))


def of_article(site: Site, canary: Canary) -> Iterator[Asked]:
    """Every address of the article, asked in every way."""
    for surface, url in _addresses(site, canary):
        yield from _in_every_way(surface, url, canary, site)
    yield from of_unlock(site, canary)
    yield from _in_vain(site, canary)


def of_metered(
    site: Site, canary: Canary, stopped: Headers | None, opening: Collection[str]
) -> Iterator[Asked]:
    """The same of a metered article, by whom it isn't open to.

    A new device opens it by unlock and by a page's form, and on `opening` pages by just coming: these are asked as
    the device whose meter is used up (None: there is none, and they aren't asked).
    """
    for surface, url in _addresses(site, canary):
        for asked in _in_every_way(surface, url, canary, site):
            counts = surface == "page" and (asked.method == "POST" or url in opening)
            if not counts:
                yield asked
            elif stopped is not None and asked.audience not in site.readers:
                yield replace(asked, headers=as_device(asked.headers, stopped))
    if stopped is not None:
        for asked in of_unlock(replace(site, readers={}), canary):
            yield replace(asked, headers=as_device(asked.headers, stopped))
    yield from _in_vain(site, canary)


def as_device(headers: Headers, device: Headers) -> Headers:
    """The headers from this device, whatever else they say."""
    cookies = [each["Cookie"] for each in (device, headers) if "Cookie" in each]
    joined = {"Cookie": "; ".join(cookies)} if cookies else {}
    return {**headers, **device, **joined}


def of_unlock(site: Site, canary: Canary) -> Iterator[Asked]:
    """Who asks for the whole text, and with which gift links."""
    url = f"{site.api}/v1/articles/{canary.slug}/unlock"
    for audience, headers in (*_headers(), *site.readers.items()):
        if not _may_read(audience, canary):
            yield Asked("unlock", audience, "POST", url, canary.secret, headers)
    for gift in _FORGED_GIFTS:
        body, sent = json.dumps({"gift": gift}), {"Content-Type": "application/json"}
        yield Asked("unlock", "forged gift", "POST", url, canary.secret, sent, body)


def _addresses(site: Site, canary: Canary) -> list[tuple[str, str]]:
    api = f"{site.api}/v1/articles/{canary.slug}"
    places = [("teaser", api), ("access", f"{api}/access"), ("full", f"{api}/full")]
    return places + [("page", page.replace("{slug}", canary.slug)) for page in site.pages]


def _in_vain(site: Site, canary: Canary) -> Iterator[Asked]:
    """What nobody is given, whatever the meter says."""
    for token in _forged(canary):
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{site.api}/v1/articles/{canary.slug}/full"
        yield Asked("full", "forged token", "GET", url, canary.secret, headers)
    admin = f"{site.api}/v1/admin/articles/{canary.slug}"
    for method in ("GET", "HEAD"):
        yield Asked("admin", "anonymous", method, admin, canary.secret)


def of_site(site: Site, planted: tuple[Canary, ...]) -> Iterator[Asked]:
    """Lists, feeds, sitemaps, the API's description, and searches for paid words."""
    secret = tuple(word for each in planted for word in each.secret)
    for query in (
        "",
        f"?section={SECTION}",
        f"?tag={SECTION}",
        "?author=Leak%20check",
        "?limit=100",
    ):
        yield Asked("list", "anonymous", "GET", f"{site.api}/v1/articles{query}", secret)
    for path in ("/openapi.json", "/docs", "/v1/offers", "/metrics", "/v1/admin/articles"):
        yield Asked("API", "anonymous", "GET", f"{site.api}{path}", secret)
    for origin in site.origins:
        for surface, path in _PLACES:
            for audience, headers in (("anonymous", {}), ("crawler", {"User-Agent": _CRAWLERS[0]})):
                yield Asked(surface, audience, "GET", f"{origin}{path}", secret, headers)
        for page in site.pages:
            for canary in planted:
                yield Asked(
                    "embed", "anonymous", "GET",
                    f"{origin}/oembed?format=json&url={quote(page.replace('{slug}', canary.slug))}", secret,
                )  # fmt: skip
    yield from _searches(site, planted)


def of_stopped(site: Site, canary: Canary, headers: Headers) -> Iterator[Asked]:
    """What a device asks whose free articles are used up."""
    api = f"{site.api}/v1/articles/{canary.slug}"
    asked = [
        ("teaser", "GET", api),
        ("access", "GET", f"{api}/access"),
        ("full", "GET", f"{api}/full"),
    ]
    asked += [("unlock", "POST", f"{api}/unlock")]
    asked += [
        ("page", method, p.replace("{slug}", canary.slug))
        for p in site.pages
        for method in ("GET", "HEAD")
    ]
    for surface, method, url in asked:
        yield Asked(surface, "stopped", method, url, canary.secret, headers)


def _searches(site: Site, planted: tuple[Canary, ...]) -> Iterator[Asked]:
    """An answer may repeat the word that was looked for; that it finds the article by it is the leak.

    What lists the article whatever is looked for is no search.
    """
    patterns = [f"{site.api}/v1/articles?q={{}}"]
    patterns += [origin + path for origin in site.origins for path in _SEARCHES]
    for canary in planted:
        for word in (canary.paid, f"{canary.paid}b", canary.paid[:-3]):
            for pattern in patterns:
                yield Asked(
                    "search", "anonymous", "GET", pattern.format(word), (canary.slug, canary.public),
                    control=pattern.format(word[::-1]),
                )  # fmt: skip


def _in_every_way(surface: str, url: str, canary: Canary, site: Site) -> Iterator[Asked]:
    def asked(audience: str, method: str, to: str, headers: dict[str, str]) -> Asked:
        return Asked(surface, audience, method, to, canary.secret, headers)

    for audience, headers in (*_headers(), *site.readers.items()):
        if not _may_read(audience, canary):
            yield asked(audience, "GET", url, headers)
    for method in ("HEAD", "OPTIONS", "POST"):
        yield asked(method, method, url, {})
    yield asked("HEAD", "HEAD", url, {"User-Agent": _CRAWLERS[0]})
    for each in _RANGES:
        yield asked("Range", "GET", url, {"Range": each})
    for condition in _CONDITIONS:
        yield asked("conditional", "GET", url, condition)
    for encoding in _ENCODINGS:
        yield asked("encodings", "GET", url, encoding)
    joined = "&" if "?" in url else "?"
    for query in _QUERIES:
        yield asked("odd address", "GET", f"{url}{joined}{query}", {})
    path = urlsplit(url).path
    for changed in (*(path + ending for ending in _ENDINGS), *_respelled(path)):
        yield asked("odd address", "GET", url.replace(path, changed, 1), {})


def _respelled(path: str) -> tuple[str, ...]:
    last = path.rpartition("/")[2]
    spelled = "".join(f"%{ord(letter):02x}" for letter in last)
    return (
        path.upper(), path.replace(last, last.upper()), path.replace("/", "//"), path.replace(last, spelled),
        f"/amp{path}", f"/api{path}", f"/page-data{path}/page-data.json",
    )  # fmt: skip


def _headers() -> Iterator[tuple[str, dict[str, str]]]:
    yield "anonymous", {}
    for agent in _CRAWLERS:
        yield "crawler", {"User-Agent": agent}
    for headers in _SPOOFED:
        yield "spoofed headers", headers


def _may_read(audience: str, canary: Canary) -> bool:
    """A registered reader reads what is for registered readers. Others that are given read nothing."""
    return audience == "registered" and canary.kind == "registered"


def _forged(canary: Canary) -> Iterator[str]:
    """Tokens that are signed by nobody, and one that says so."""
    claims = {"art": canary.slug, "rsn": "subscription", "exp": 4_102_444_800, "iat": 0, "sub": "x"}
    for algorithm in ("none", "None", "HS256", "ES256"):
        parts = ({"alg": algorithm, "typ": "unlock+jwt", "kid": "x"}, claims)
        head = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in parts
        )
        yield f"{head}."
        yield f"{head}.AAAA"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
