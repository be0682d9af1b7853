"""The files that an operator may supply about addresses: what each is for, where it comes from, and reading it."""

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import maxminddb

from refledger.core import geography
from refledger.core import ranges as lists
from refledger.core.origins import ASN, CITY, CLASSES
from refledger.settings import PREFIX, Settings

OLD_DAYS = 45  # addresses move; from here on it is worth a warning
MOST_LIST_BYTES = 100_000_000
MOST_DATABASE_BYTES = 4_000_000_000  # the largest there are have less than half of it
_SAMPLES = 100
_PROBES = 256  # addresses looked up in a new file, over the whole of IPv4


@dataclass(frozen=True, slots=True)
class Source:
    """`setting`: the field of the settings that names its file. `needs`: of these the file must know one.

    `where`: where to get one, and under which licence.
    """

    setting: str
    subject: str
    needs: frozenset[str]
    where: str

    @property
    def variable(self) -> str:
        return f"{PREFIX}{self.setting.upper()}"

    @property
    def signals(self) -> list[str]:
        """Those that look at what it knows."""
        return [code for code, needs in SIGNALS_NEED.items() if needs & self.needs]

    @property
    def is_list(self) -> bool:
        return self.setting.startswith("addresses_")


# What must be known of an address before a signal says anything.
SIGNALS_NEED = {
    "geo.same_city": frozenset({CITY}),
    "geo.same_city_asn": frozenset({CITY, ASN}),
    "geo.impossible_travel": frozenset({CITY}),
    **{f"ip.{each}": frozenset({each}) for each in CLASSES},
}

_MAXMIND = (
    "an account at maxmind.com, GeoLite EULA: to be replaced within 30 days of a newer one, weekly is usual"
)
_LIST = (
    "one address or range per line, the first column of a CSV, or JSON; several lists may follow one another"
)

SOURCES = (
    Source(
        "geoip_city",
        "cities",
        frozenset({CITY, geography.COUNTRY}),
        f"GeoLite2-City or GeoIP2-City ({_MAXMIND}); DB-IP City Lite (db-ip.com, CC BY 4.0, monthly)",
    ),
    Source(
        "geoip_asn",
        "network operators",
        frozenset({ASN}),
        f"GeoLite2-ASN ({_MAXMIND}); DB-IP ASN Lite (db-ip.com, CC BY 4.0, monthly); "
        "IPinfo Lite (ipinfo.io, CC BY-SA 4.0)",
    ),
    Source(
        "geoip_anonymous",
        "anonymous addresses",
        frozenset(CLASSES),
        "GeoIP2-Anonymous-IP (maxmind.com, bought) or IPinfo Privacy (ipinfo.io, bought); the lists below do without",
    ),
    Source(
        "addresses_tor",
        "Tor exits",
        frozenset({"tor"}),
        f"https://check.torproject.org/torbulkexitlist (The Tor Project, free, hourly); {_LIST}",
    ),
    Source(
        "addresses_vpn",
        "VPN ranges",
        frozenset({"vpn"}),
        "lists that VPN providers or volunteers publish, such as output/vpn/ipv4.txt of github.com/X4BNet/lists_vpn; "
        f"{_LIST}",
    ),
    Source(
        "addresses_hosting",
        "hosting ranges",
        frozenset({"hosting"}),
        "the ranges that cloud providers publish, free, in one file: https://ip-ranges.amazonaws.com/ip-ranges.json, "
        "https://www.gstatic.com/ipranges/cloud.json, https://www.cloudflare.com/ips-v4 and /ips-v6; github.com/X4BNet/"
        f"lists_vpn has output/datacenter/ipv4.txt; {_LIST}",
    ),
    Source(
        "addresses_proxy",
        "open proxies",
        frozenset({"proxy"}),
        f"a list you trust: free ones are short-lived and often wrong; {_LIST}",
    ),
    Source(
        "addresses_relay",
        "privacy relays",
        frozenset({"relay"}),
        f"https://mask-api.icloud.com/egress-ip-ranges.csv (Apple, free, daily); {_LIST}",
    ),
)


class Unusable(Exception):
    """Says in words why a file cannot be what it was named for."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A file as it was read: a database's `reader`, or a list's `ranges`."""

    source: Source
    knows: frozenset[str]
    type: str
    version: str
    made_ms: int
    entries: int  # ranges of a list; nodes of a database's tree
    reader: maxminddb.Reader | None = None
    has_ipv6: bool = True
    ranges: lists.Ranges | None = None

    @property
    def bad_lines(self) -> int:
        return self.ranges.bad_lines if self.ranges else 0

    @property
    def first_bad_line(self) -> int | None:
        return self.ranges.first_bad_line if self.ranges else None


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a source: its file, or why there is none."""

    source: Source
    path: Path | None
    loaded: Loaded | None = None
    problem: str | None = None


def statuses(settings: Settings) -> list[Status]:
    """Of every source, its file read now, as a service would at its start."""
    paths, found = dict(configured(settings)), []
    for source in SOURCES:
        path = paths.get(source)
        try:
            found.append(Status(source, path, load(source, path) if path else None))
        except Unusable as why:
            found.append(Status(source, path, problem=str(why)))
    return found


def not_evaluated(found: Sequence[Status]) -> list[str]:
    """The signals for which something is missing that no file knows."""
    known = frozenset().union(*(each.loaded.knows for each in found if each.loaded))
    return [code for code, needs in SIGNALS_NEED.items() if not needs <= known]


def configured(settings: Settings) -> list[tuple[Source, Path]]:
    named = ((source, getattr(settings, source.setting)) for source in SOURCES)
    return [(source, path) for source, path in named if path is not None]


def load(source: Source, path: Path) -> Loaded:
    """Raises `Unusable`."""
    try:
        return _list(source, path) if source.is_list else _database(source, path)
    except OSError as error:
        raise Unusable(f"it cannot be read: {error.strerror or error}") from None


@contextmanager
def _regular(path: Path) -> Iterator[BinaryIO]:
    """The file, opened. A pipe would be waited for, and a device read without end."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unusable("it is no regular file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # for somebody at a pipe's other end


def _list(source: Source, path: Path) -> Loaded:
    with _regular(path) as file:
        content = file.read(MOST_LIST_BYTES + 1)
        made_ms = os.fstat(file.fileno()).st_mtime_ns // 1_000_000
    if len(content) > MOST_LIST_BYTES:
        raise Unusable(f"it has more than {MOST_LIST_BYTES // 1_000_000:,} MB: no list of addresses")
    found = lists.read(content.decode("utf-8", "replace"))
    if not found.entries:
        raise Unusable("it holds no address and no range")
    if found.bad_lines > found.entries:
        raise Unusable(f"most of its lines hold no address, the first is line {found.first_bad_line}")
    version = _version("list", made_ms)
    return Loaded(source, source.needs, "list", version, made_ms, found.entries, ranges=found)


def _version(database_type: str, made_ms: int) -> str:
    return f"{database_type} {datetime.fromtimestamp(made_ms / 1000, UTC):%Y-%m-%d}"


def _database(source: Source, path: Path) -> Loaded:
    reader = _opened(path)
    try:
        told = reader.metadata()
        samples = [reader.get(IPv4Address(place << 24)) for place in range(_PROBES)]
        knows, made_ms = geography.knows(told.database_type, samples), told.build_epoch * 1000
        if not knows and told.node_count < 1_000_000:
            records = (record for _, record in islice(reader, _SAMPLES))
            knows = geography.knows(told.database_type, records)
        version = _version(told.database_type, made_ms)
    except Exception as error:  # whatever a damaged file makes of itself
        raise Unusable(f"it is damaged: {error!r}") from None
    if not knows & source.needs:
        what = ", ".join(sorted(knows)) or "nothing that is known here"
        raise Unusable(
            f"a database of type {told.database_type} tells {what}, and is not for {source.subject}"
        )
    has_ipv6 = told.ip_version == 6
    return Loaded(source, knows, told.database_type, version, made_ms, told.node_count, reader, has_ipv6)


def _opened(path: Path) -> maxminddb.Reader:
    """A private copy of the file, mapped: whoever overwrites the file in place would end this process otherwise.

    The copy has no name, so that nothing is left of it however this process ends.
    """
    with tempfile.TemporaryFile() as copy, _regular(path) as file:
        size = 0
        while block := file.read(1 << 20):
            size += len(block)
            if size > MOST_DATABASE_BYTES:
                raise Unusable(
                    f"it has more than {MOST_DATABASE_BYTES // 1_000_000:,} MB: no database of addresses"
                )
            copy.write(block)
        copy.flush()
        place = f"/dev/fd/{copy.fileno()}"
        try:
            return maxminddb.open_database(place)
        except (maxminddb.InvalidDatabaseError, ValueError, TypeError, KeyError) as error:
            why = str(error).replace(place, str(path))
            raise Unusable(f"it is no database in MaxMind's format, or not all of one: {why}") from None
