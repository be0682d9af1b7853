"""Which pages of other sites may read an answer: any, without credentials, or those a program lists."""

from collections.abc import Collection

Pairs = list[tuple[bytes, bytes]]

PREFLIGHT: Pairs = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization, Idempotency-Key"),
    (b"access-control-max-age", b"86400"),
]
VARY = (b"vary", b"Origin")


def origin_headers(origin: bytes | None, listed: Collection[str] = ()) -> Pairs:
    """`listed`: the program's origins; none means any. An origin it lacks may not read the answer."""
    if not origin:
        return []
    if not listed:
        return [(b"access-control-allow-origin", b"*")]
    if origin.decode("latin-1").lower() in listed:
        return [VARY, (b"access-control-allow-origin", origin)]
    return [VARY]
