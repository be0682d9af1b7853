"""What a click is for, kept in memory: keys for a second, programs and affiliates by code for some seconds.

A hit never leaves the event loop. What this process changes holds at once (`Routes.forget`); what another changes,
within these times. While the database is out of reach, what was known goes on being used.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from refledger.core.fingerprints import code_key
from refledger.core.keys import hash_key, read_key
from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services.lookups import Load, Lookups
from refledger.store import clicks as store
from refledger.store.engine import Connection, Database, Unavailable, see

TTL_S = 1.0
LASTING_TTL_S = 10.0  # of live links: a conversion asks again anyway whether its affiliate is live
MOST_ENTRIES = 20_000
_STALE_S = 600.0  # how old an answer may be while the database cannot give a new one


@dataclass(frozen=True, slots=True)
class KeyRoute:
    """A key in force and whose it is."""

    merchant_id: str
    id: str
    kind: str
    mode: str

    @property
    def is_secret(self) -> bool:
        return self.kind == "secret"


@dataclass(frozen=True, slots=True)
class ProgramRoute:
    """A program as a click meets it."""

    merchant_id: str
    id: str
    site_url: str
    allowed_hosts: frozenset[str]
    allowed_origins: frozenset[str]
    window_days: int
    is_active: bool
    key: bytes  # of the merchant's fingerprints


@dataclass(frozen=True, slots=True)
class AffiliateRoute:
    """A live affiliate and their code as they have it."""

    id: str
    ref_code: str


@dataclass(frozen=True, slots=True)
class Link:
    """What `/r/{slug}/{code}` means; without affiliate where the code is not live."""

    program: ProgramRoute
    affiliate: AffiliateRoute | None


class Cache:
    """Answers of `load`, each used for `ttl_s` at most; `None` is an answer too, for `TTL_S`. For one event loop.

    From half its time on an answer is renewed in the background, so that a busy key never waits.
    """

    def __init__(
        self,
        lookups: Lookups,
        load: Load,
        most: int = MOST_ENTRIES,
        ttl_s: float = TTL_S,
        clock_s: Callable[[], float] = time.monotonic,
    ):
        self._lookups, self._load = lookups, load
        self._most, self._ttl_s, self._clock_s = most, ttl_s, clock_s
        self._entries: dict[tuple, tuple[Any, float]] = {}  # the answer and when it was asked for
        self._loading: dict[tuple, asyncio.Task] = {}
        self._forgot_s = -1.0

    def forget(self) -> None:
        """Asks anew from now on, and does not keep what is being asked just now."""
        self._entries.clear()
        self._loading.clear()
        self._forgot_s = self._clock_s()

    def at_hand(self, *key: str) -> Any:
        """What is known and need not be asked for yet; None otherwise."""
        entry = self._entries.get(key)
        if entry is None or self._clock_s() - entry[1] >= self._ttl_s / 2:
            return None
        return entry[0]

    async def get(self, *key: str) -> Any:
        """Refused as unavailable where the database cannot answer and nothing is known."""
        entry = self._entries.get(key)
        if entry is not None:
            age_s = self._clock_s() - entry[1]
            ttl_s = self._ttl_s if entry[0] else min(self._ttl_s, TTL_S)
            if age_s < ttl_s / 2:
                return entry[0]
            if age_s < ttl_s:
                self._renew(key)
                return entry[0]
        return await asyncio.shield(self._renew(key))

    def _renew(self, key: tuple) -> asyncio.Task:
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.get_running_loop().create_task(self._fetch(key))
            task.add_done_callback(
                lambda done: (self._ended(key, done), done.cancelled() or done.exception())
            )
        return task

    def _ended(self, key: tuple, task: asyncio.Task) -> None:
        if self._loading.get(key) is task:
            del self._loading[key]

    async def _fetch(self, key: tuple) -> Any:
        asked_s = self._clock_s()
        try:
            value = await self._lookups.ask(self._load, key)
        except (Unavailable, TimeoutError) as error:
            known = self._entries.get(key)
            if known is None or asked_s - known[1] > _STALE_S:
                raise Refused(Refusal(Reason.UNAVAILABLE)) from error
            return known[0]
        if asked_s <= self._forgot_s:
            return value
        self._entries.pop(key, None)
        while len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (value, asked_s)
        return value


class Routes:
    """The look-ups of the doors, cached."""

    def __init__(self, database: Database, secret: bytes):
        self._secret = secret
        lookups = Lookups(database)
        self._keys = Cache(lookups, _load_key)
        self._programs = Cache(lookups, _load_program, ttl_s=LASTING_TTL_S)
        self._slugs = Cache(lookups, _load_slug, ttl_s=LASTING_TTL_S)
        self._affiliates = Cache(lookups, _load_affiliate, ttl_s=LASTING_TTL_S)

    def forget(self) -> None:
        """After a change: every look-up is made anew."""
        for cache in (self._keys, self._programs, self._slugs, self._affiliates):
            cache.forget()

    async def key(self, text: str) -> KeyRoute | None:
        """None for garbage (which costs no look-up), unknown and revoked keys."""
        if read_key(text) is None:
            return None
        return await self._keys.get(hash_key(text, self._secret))

    async def program(self, merchant_id: str, program_id: str) -> ProgramRoute | None:
        """Of this merchant, and active."""
        program = await self._programs.get(merchant_id, program_id)
        return program if program is not None and program.is_active else None

    async def affiliate(self, program: ProgramRoute, ref_code: str) -> AffiliateRoute | None:
        """Live, by their code in any case."""
        return await self._affiliates.get(program.merchant_id, _code_key(program, ref_code))

    def link_at_hand(self, slug: str, ref_code: str) -> Link | None:
        """A live link that need not be asked for just now."""
        program = self._slugs.at_hand(slug)
        if program is None or not program.is_active:
            return None
        affiliate = self._affiliates.at_hand(program.merchant_id, _code_key(program, ref_code))
        return affiliate and Link(program, affiliate)

    async def link(self, slug: str, ref_code: str) -> Link | None:
        """None where no program has this slug."""
        program = await self._slugs.get(slug)
        if program is None:
            return None
        return Link(program, await self.affiliate(program, ref_code) if program.is_active else None)


def _code_key(program: ProgramRoute, ref_code: str) -> str:
    return code_key(program.key, program.id, ref_code)


def _load_key(connection: Connection, key_hash: str) -> KeyRoute | None:
    row = store.find_key(connection, key_hash)
    return row and KeyRoute(*row)


def _load_program(connection: Connection, merchant_id: str, program_id: str) -> ProgramRoute | None:
    see(connection, [merchant_id])
    row = store.find_program(connection, merchant_id, program_id)
    return row and _program(row)


def _load_affiliate(connection: Connection, merchant_id: str, code_key: str) -> AffiliateRoute | None:
    see(connection, [merchant_id])
    row = store.find_affiliate(connection, merchant_id, code_key)
    return AffiliateRoute(row[0], row[1]) if row and row[2] == "active" else None


def _load_slug(connection: Connection, slug: str) -> ProgramRoute | None:
    row = store.find_program_by_slug(connection, slug)
    return row and _program(row)


def _program(row: tuple) -> ProgramRoute:
    merchant_id, program_id, site_url, hosts, origins, window_days, status, key = row
    return ProgramRoute(
        merchant_id,
        program_id,
        site_url,
        frozenset(host.lower() for host in orjson.loads(hosts)),
        frozenset(origin.lower().rstrip("/") for origin in orjson.loads(origins)),
        window_days,
        status == "active",
        bytes.fromhex(key),
    )
