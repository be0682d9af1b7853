"""The merchant's own allow and block lists, compiled once and asked for every report."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from refledger.core import emails
from refledger.core.addresses import Address
from refledger.core.emails import Email
from refledger.core.ranges import network

ACTIONS = ("allow", "block")
KINDS = ("mailbox", "domain", "address_range", "affiliate")


@dataclass(frozen=True, slots=True)
class Entry:
    """`program_id` None means all programs; `expires_ms` None means never; `value` is normalised."""

    id: str
    action: str
    kind: str
    value: str
    program_id: str | None = None
    expires_ms: int | None = None
    note: str = ""

    def applies(self, program_id: str, now_ms: int) -> bool:
        in_force = self.expires_ms is None or self.expires_ms > now_ms
        return in_force and self.program_id in (None, program_id)


def normalise(kind: str, value: str) -> str:
    """The spelling under which a value is kept and found. Raises ValueError, in words for the merchant."""
    value = value.strip()
    if not value:
        raise ValueError("a list entry needs a value")
    if kind == "mailbox":
        email = emails.parse(value)
        if email is None:
            raise ValueError("not an e-mail address")
        return email.mailbox
    if kind == "domain":
        return _domain(value)
    if kind == "address_range":
        return _range(value)
    if kind == "affiliate":
        return value
    raise ValueError(f"unknown kind of list entry; it is one of {', '.join(KINDS)}")


def _domain(value: str) -> str:
    bare = value.removeprefix("@").removeprefix("*.").rstrip(".")
    email = emails.parse(f"a@{bare}")
    if email is None:
        raise ValueError("not a domain; write it like example.com")
    return email.domain


def _range(value: str) -> str:
    net = network(value)
    if not net.prefixlen:
        raise ValueError(
            "is the whole internet: to stop or admit everybody, pause the program or change its policy"
        )
    return str(net)


class _Side:
    """The entries of one action, by kind. Several may share a value: per program, or one expired."""

    def __init__(self) -> None:
        self.exact: dict[tuple[str, str], list[Entry]] = {}
        # (version, prefix length) → network bits → entries: one look-up per length in use, however many
        # entries.
        self.ranges: dict[tuple[int, int], dict[int, list[Entry]]] = {}

    def add(self, entry: Entry) -> None:
        if entry.kind != "address_range":
            self.exact.setdefault((entry.kind, entry.value), []).append(entry)
            return
        net = ipaddress.ip_network(entry.value, strict=False)
        bits = int(net.network_address) >> (net.max_prefixlen - net.prefixlen)
        self.ranges.setdefault((net.version, net.prefixlen), {}).setdefault(bits, []).append(entry)

    def candidates(
        self, email: Email | None, address: Address | None, affiliate_id: str | None
    ) -> Iterable[Entry]:
        if self.exact:
            if email is not None:
                yield from self.exact.get(("mailbox", email.mailbox), ())
                for domain in emails.parents(email.domain):
                    yield from self.exact.get(("domain", domain), ())
            yield from self.exact.get(("affiliate", affiliate_id or ""), ())
        if self.ranges and address is not None:
            yield from self._containing(address)

    def _containing(self, address: Address) -> Iterable[Entry]:
        width = 32 if address.version == 4 else 128
        for (version, prefix), networks in self.ranges.items():
            if version == address.version:
                yield from networks.get(address.number >> (width - prefix), ())


class Lists:
    """A merchant's entries, compiled. Build it when they change, not per report."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._sides = {action: _Side() for action in reversed(ACTIONS)}  # block is asked first, so it wins
        self._empty = True
        for entry in entries:
            self._sides[entry.action].add(entry)
            self._empty = False

    def match(
        self,
        email: Email | None,
        address: Address | None,
        affiliate_id: str | None,
        program_id: str,
        now_ms: int,
    ) -> Entry | None:
        """The entry that decides, or None. A block wins over an allow; a domain covers those under it."""
        if self._empty:
            return None
        for side in self._sides.values():
            for entry in side.candidates(email, address, affiliate_id):
                if entry.applies(program_id, now_ms):
                    return entry
        return None
