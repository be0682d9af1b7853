"""Where a link leads: the program's site, or an address on one of its hosts. Never anywhere else."""

import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import quote

MOST_CHARACTERS = 2000

# Strict on purpose: a browser reads an address more generously than any parser, so whatever is not plainly
# `scheme://host[:port]` followed by nothing, a path, a query or a fragment is not looked at any further.
_ADDRESS = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?(?=[/?#]|\Z)", re.IGNORECASE
)
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029]")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_KEPT = "%/?#[]@!$&'()*+,;=:-._~"


def host_of(address: str) -> str | None:
    """`host` or `host:port` (where it is not the scheme's own) of a plain http(s) address, in lower case."""
    if len(address) > MOST_CHARACTERS or _NEVER.search(address):
        return None
    match = _ADDRESS.match(address)
    if match is None:
        return None
    host, port = match[2].lower(), match[3]
    own = port is None or int(port) == int(_DEFAULT_PORTS[match[1].lower()])
    return host if own else f"{host}:{int(port)}"


def destination(site_url: str, allowed_hosts: Collection[str], to: str | None, ref_code: str | None) -> str:
    """The address to send a visitor to, ASCII only, carrying `ref` for a shop on another domain to read.

    `to` counts only where its host is the site's own or one of `allowed_hosts`; otherwise it is as if absent.
    """
    if to:
        host = host_of(to)
        if host is not None and (host == host_of(site_url) or host in allowed_hosts):
            return _with_ref(to, ref_code)
    return _to_site(site_url, ref_code)


@lru_cache(maxsize=4096)
def _to_site(site_url: str, ref_code: str | None) -> str:
    return _with_ref(site_url, ref_code)


def _with_ref(address: str, ref_code: str | None) -> str:
    address = quote(address, safe=_KEPT)
    if ref_code is None:
        return address
    address, mark, fragment = address.partition("#")
    before, question, query = address.partition("?")
    if not any(part == "ref" or part.startswith("ref=") for part in query.split("&")):
        query = f"{query}{'&' if query else ''}ref={quote(ref_code, safe='')}"
    return f"{before}?{query}{mark}{fragment}" if query or question else f"{before}{mark}{fragment}"
