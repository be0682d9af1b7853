"""Which pages of other sites may read an answer: any, without credentials, or those a program lists."""

from refledger.core.programs import stored

Pairs = list[tuple[bytes, bytes]]

PREFLIGHT: Pairs = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization, Idempotency-Key"),
    (b"access-control-max-age", b"86400"),
]


def origin_headers(origin: bytes | None, allowed_origins: str = "[]") -> Pairs:
    """`allowed_origins`: the program's JSON list; empty means any. An origin it lacks may not read the answer."""
    if not origin:
        return []
    listed = stored(allowed_origins)
    if not listed:
        return [(b"access-control-allow-origin", b"*")]
    vary = (b"vary", b"Origin")
    if origin.decode("latin-1").lower() in listed:
        return [vary, (b"access-control-allow-origin", origin)]
    return [vary]
