"""Who speaks: a visitor's address and scheme behind trusted proxies, and whether a person is there at all."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import islice
from typing import Any

from refledger.core import addresses

Network = IPv4Network | IPv6Network
Headers = Sequence[tuple[bytes, bytes]]

_FOUND = "refledger.client_address"
_MOST_HOPS = 20
_MOST_REMEMBERED = 4096


@dataclass(slots=True)
class Trusted:
    """The proxies whose forwarded headers are believed."""

    networks: Sequence[Network] = ()
    _known: dict[str, bool] = field(default_factory=dict)

    def holds(self, address: str) -> bool:
        if not self.networks:
            return False
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[address] = self._look(address)
        return known

    def _look(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip.version == network.version and ip in network for network in self.networks)


def client_address(scope: MutableMapping[str, Any], trusted: Trusted) -> str | None:
    """The address of whoever asked, found once per request.

    `X-Forwarded-For` is walked from its right end, for only what a trusted proxy added is known to be true:
    the first hop that is no trusted proxy is the client, whatever stands left of it.
    """
    found = scope.get(_FOUND, _FOUND)
    if found is _FOUND:
        found = scope[_FOUND] = _find(scope, trusted)
    return found


def _find(scope: Mapping[str, Any], trusted: Trusted) -> str | None:
    peer = _peer(scope)
    if peer is None or not trusted.holds(peer):
        return peer
    reached = peer
    for hop in _hops(scope["headers"]):
        address = addresses.parse(hop)
        if address is None:
            return reached
        reached = address.text
        if not trusted.holds(reached):
            return reached
    return reached


def _hops(headers: Headers) -> Iterable[str]:
    """The hops of all `X-Forwarded-For` headers, nearest first."""
    given = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    nearest_first = reversed(given.decode("latin-1").split(","))
    return islice((hop.strip() for hop in nearest_first), _MOST_HOPS)


def _peer(scope: Mapping[str, Any]) -> str | None:
    client = scope.get("client")
    address = addresses.parse(client[0]) if client else None
    return address and address.text


def is_https(scope: Mapping[str, Any], trusted: Trusted) -> bool:
    """Whether the visitor's browser spoke https: to us, or to the trusted proxy that says so."""
    if scope.get("scheme") == "https":
        return True
    peer = _peer(scope) if trusted.networks else None
    if peer is None or not trusted.holds(peer):
        return False
    for name, value in scope["headers"]:
        if name == b"x-forwarded-proto":
            # The nearest proxy wrote the last one.
            return value.rpartition(b",")[2].strip().lower() == b"https"
    return False
