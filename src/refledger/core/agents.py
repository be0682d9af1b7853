"""What a user agent says: whether a person may be there, and on which operating system.

Crawlers are known by their names, in our own words and in those of the list `crawler-user-agents`; systems by
`ua-parser`. Both are asked in Rust, where any number of patterns costs some microseconds, and no text costs more.
"""

import re
from functools import lru_cache
from importlib.metadata import version
from unicodedata import normalize

from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from ua_parser import Domain, load_lazy_builtins
from ua_parser.lazy import UserAgentMatcher
from ua_parser.regex import Resolver

from refledger.core.mailboxes import digest

_LETTERS = "NFKC"  # full-width and other forms of a letter are the letter
LONGEST = 1024  # of the text looked at; the longest real ones have half as much

# Bounded by words, for `Previewer` may be anything.
_OWN = (
    ("headless", r"headless|phantomjs|puppeteer|playwright|selenium|chrome-lighthouse|slimerjs"),
    (
        "crawler",
        r"bot\b|bot[/_-]|\bcrawl|crawler|spider\b|slurp|facebookexternalhit|facebookcatalog|meta-externala"
        r"|whatsapp/|\bskypeuripreview|\bvkshare|^pinterest/|\bia_archiver|mediapartners-google"
        r"|google-(?:inspectiontool|read-aloud|pagerenderer|safety|extended)|googleother|feedfetcher"
        r"|\bbingpreview|\byandex\.com/bots|\bbaiduspider|\bembedly|\bquora link preview|\boutbrain"
        r"|\bflipboardproxy|\bnuzzel|\btumblr/|\bvalidator|\bpingdom|uptimerobot|\bstatuscake|\bsite24x7"
        r"|\bchatgpt-user|\bperplexity-user|\bclaude-user|\bbitlybot|link ?preview|link ?checker|\bscanner\b"
        r"|proofpoint|barracuda|mimecast|safelinks",
    ),
    (
        "http_library",
        r"^(?:curl|wget|httpie|lwp::|libwww-perl|java|okhttp|ruby|php|perl|guzzlehttp|axios|got|undici|deno|bun"
        r"|postmanruntime|insomnia|faraday|rest-client|reqwest|hyper|ureq|dart|go-http-client|scrapy|mechanize"
        r"|apache-httpclient|jersey|winhttp|powershell|python|aiohttp|httpx|urllib|h2load|wrk|ab|apachebench|k6|hey"
        r"|vegeta)\b|^node(?:-fetch|\.js)?\b|^(?:typhoeus|httpclient|symfony|zend_http|libcurl|restsharp)"
        r"|python-(?:requests|urllib|httpx)|go-http-client|apache-httpclient|windowspowershell",
    ),
)
# Listed, and yet people browse with them: programs' built-in browsers, and a build of Android. These names count only
# where they come first or nearly so, not behind the `Mozilla/5.0` of a browser.
_PEOPLES = frozenset(
    {
        r"AP3A\.240617\.008", r"Asana\/", "Blackboard", "CapitalOneShopping", r"Code\/1\.", "DMBrowser", "Feedly",
        "Fever", "Fluid", "Goodreads", r"Grammarly\/", "Hatena", r"Instapaper\/", "MetaIAB Facebook", r"Notion\/",
        r"Overcast\/", r"PayPal\/", r"PocketCasts\/", "Sogou", r"Trae\/", "Viber",
    }
)  # fmt: skip
_KINDS_OF_TAGS = (("browser-automation", "headless"), ("http-library", "http_library"))

# An Android telephone tells its maker and build, which may be called anything; CUBOT is one.
_DEVICE = re.compile(
    r"\bcubot|\(Linux;[^()]*?\bAndroid[^;)]*;(?: [a-z]{2}[-_][A-Za-z]{2};)?[^;)]*", re.IGNORECASE
)

_SYSTEMS = {
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "iOS": "iOS",
    "Android": "Android",
    "HarmonyOS": "HarmonyOS",
    "Chrome OS": "ChromeOS",
    **dict.fromkeys(("Linux", "Ubuntu", "Debian", "Fedora", "Red Hat", "Arch Linux", "Gentoo"), "Linux"),
}
# One device shows both: tablets and telephones that ask for the pages of a desktop, Android's programs elsewhere.
_ONE_DEVICE = frozenset(
    map(
        frozenset,
        (
            ("iOS", "macOS"),
            ("Android", "Linux"),
            ("Android", "ChromeOS"),
            ("Android", "HarmonyOS"),
            ("HarmonyOS", "Linux"),
            ("ChromeOS", "Linux"),
        ),
    )
)


def _listed() -> list[tuple[str, str]]:
    """(kind, pattern) of each entry of the list."""
    found = []
    for entry in CRAWLER_USER_AGENTS_DATA:
        kind = next((kind for tag, kind in _KINDS_OF_TAGS if tag in entry.get("tags", ())), "crawler")
        pattern = entry["pattern"]
        found.append((kind, f"^(?:[^M].*)?(?:{pattern})" if pattern in _PEOPLES else pattern))
    return found


# The first pattern that fits names the kind.
_AUTOMATION = Resolver(
    (
        [
            *(UserAgentMatcher(f"(?i:{pattern})", kind) for kind, pattern in _OWN),
            *(UserAgentMatcher(pattern, kind) for kind, pattern in _listed()),
        ],
        [],
        [],
    )
)
_SYSTEM = Resolver(([], load_lazy_builtins()[1], []))

# Which patterns told: stands in the records of decisions.
DATA_VERSIONS = {
    "crawler_user_agents": version("crawler-user-agents"),
    "ua_parser": version("ua-parser-builtins"),
    "own_agents": digest(
        [_LETTERS, *(pattern for _, pattern in _OWN), *_PEOPLES, *_SYSTEMS, _DEVICE.pattern]
    ),
}


def automation(agent: str) -> str | None:
    """`crawler`, `headless`, `http_library` or `no_agent`; None for what may be a person's browser."""
    return _automation(agent[:LONGEST])


@lru_cache(maxsize=4096)
def _automation(agent: str) -> str | None:
    if not agent or agent.isspace():
        return "no_agent"
    found = _AUTOMATION(_DEVICE.sub("", _plain(agent)), Domain.USER_AGENT).user_agent
    return found.family if found else None


def _plain(agent: str) -> str:
    """In common letters: ｃｕｒｌ is curl. Without halves of surrogate pairs, which Rust does not take for text."""
    if agent.isascii():
        return agent
    return normalize(_LETTERS, agent).encode(errors="ignore").decode()[:LONGEST]


def system(agent: str) -> str | None:
    """The operating system; None where the agent tells none, or none of those people commonly have."""
    return _system(agent[:LONGEST])


@lru_cache(maxsize=4096)
def _system(agent: str) -> str | None:
    found = _SYSTEM(_plain(agent), Domain.OS).os
    return _SYSTEMS.get(found.family) if found else None


def one_device(system: str, other: str) -> bool:
    """Whether one device may show both systems."""
    return system == other or frozenset((system, other)) in _ONE_DEVICE


def is_prefetch(purpose: str) -> bool:
    """Whether `Sec-Purpose`, `Purpose` or `X-Moz` says that nobody has followed the link yet."""
    purpose = purpose.lower()
    return "prefetch" in purpose or "prerender" in purpose or "preview" in purpose
