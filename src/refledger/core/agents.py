"""Which requests no person made, as far as they say so: by user agent, or by what a browser declares."""

import re
from functools import lru_cache

# In order: the first that fits names the reason. Anchored or bounded by words, for `CUBOT` is a telephone and
# `Previewer` may be anything.
_KINDS = (
    ("headless", r"headless|phantomjs|puppeteer|playwright|selenium|chrome-lighthouse|slimerjs"),
    (
        "crawler",
        r"(?<!cu)bot\b|bot[/_-]|\bcrawl|crawler|spider\b|slurp|facebookexternalhit|facebookcatalog|meta-externala"
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
_PATTERNS = tuple((why, re.compile(pattern, re.IGNORECASE)) for why, pattern in _KINDS)


@lru_cache(maxsize=4096)
def automation(agent: str) -> str | None:
    """`crawler`, `headless`, `http_library` or `no_agent`; None for what may be a person's browser."""
    if not agent or agent.isspace():
        return "no_agent"
    for why, pattern in _PATTERNS:
        if pattern.search(agent):
            return why
    return None


def is_prefetch(purpose: str) -> bool:
    """Whether `Sec-Purpose`, `Purpose` or `X-Moz` says that nobody has followed the link yet."""
    purpose = purpose.lower()
    return "prefetch" in purpose or "prerender" in purpose or "preview" in purpose
