"""What merchants set up, kept at hand between groups.

Nothing here grows stale: the database names the version of each merchant's set-up, every group asks for it, and what
was kept of another version is dropped. Whether a key is in force is asked each time; where a key leads never changes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from refledger.core.fraud.policy import DEFAULT, DEFAULT_VERSION, Policy, merge
from refledger.core.lists import Lists
from refledger.core.programs import Affiliate, Coupon, Program
from refledger.services.claims import EMPTY_LISTS, Credential
from refledger.store import setup
from refledger.store.engine import Connection, see

MOST_KEPT = 50_000

Pair = tuple[str, str]
Load = Callable[[Connection, Iterable[Pair]], Mapping[Pair, Any]]


class Shelf:
    """For one thread. Compiled policies and lists are kept too, each by its own version."""

    def __init__(self):
        self._routes: dict[str, Pair] = {}
        self._versions: dict[str, int] = {}
        self._kept: dict[Load, dict[Pair, Any]] = {}
        self._policies: dict[tuple[str | None, str | None], tuple[Policy, str]] = {}
        self._lists: dict[str, tuple[int, Lists]] = {}

    def credentials(self, connection: Connection, hashes: Iterable[str]) -> dict[str, Credential]:
        """Key hash → credential, of keys in force; drops what the set-up of their merchants has outgrown."""
        self._make_room()
        wanted = set(hashes)
        missing = [each for each in wanted if each not in self._routes]
        if missing:
            self._routes |= setup.routes_of(connection, missing)
        places = {self._routes[each] for each in wanted if each in self._routes}
        see(connection, {merchant_id for merchant_id, _ in places})
        found = setup.keys_in_force(connection, places) if places else {}
        for (merchant_id, _), (*_, version) in found.items():
            if self._versions.get(merchant_id, version) != version:
                self._drop(merchant_id)
            self._versions[merchant_id] = version
        return {
            each: Credential(*place, *found[place][:3])
            for each in wanted
            if (place := self._routes.get(each)) in found
        }

    def programs(self, connection: Connection, ids: Iterable[Pair]) -> Mapping[Pair, Program]:
        """(merchant id, program id) → program."""
        return self._look_up(setup.programs_of, connection, ids)

    def affiliates(self, connection: Connection, codes: Iterable[Pair]) -> Mapping[Pair, Affiliate]:
        """(merchant id, code key) → affiliate."""
        return self._look_up(setup.affiliates_by_code, connection, codes)

    def coupons(
        self, connection: Connection, codes: Iterable[Pair]
    ) -> Mapping[Pair, tuple[Coupon, Affiliate]]:
        """(merchant id, code key) → coupon and its affiliate."""
        return self._look_up(setup.coupons_by_code, connection, codes)

    def fill(
        self, connection: Connection, programs: Sequence[Program], affiliates: Sequence[Affiliate]
    ) -> None:
        """Compiles the policies and lists of these programs and affiliates that it lacks."""
        stale = {each.merchant_id: each.lists_version for each in programs if self._is_stale(each)}
        if stale:
            for merchant_id, entries in setup.list_entries_of(connection, stale).items():
                self._lists[merchant_id] = (stale[merchant_id], Lists(entries))
        by_id = {each.id: each for each in programs}
        missing = [
            (by_id[each.program_id], each)
            for each in affiliates
            if each.program_id in by_id
            and (by_id[each.program_id].policy_id, each.policy_id) not in self._policies
        ]
        if missing:
            self._compile(connection, missing)

    def policy(self, program: Program, affiliate: Affiliate) -> tuple[Policy, str]:
        """The policy that judges this affiliate's conversions, and its name: the default and the overrides over it."""
        return self._policies[program.policy_id, affiliate.policy_id]

    def lists(self, program: Program) -> Lists:
        return self._lists[program.merchant_id][1] if program.lists_version else EMPTY_LISTS

    def _look_up(self, load: Load, connection: Connection, places: Iterable[Pair]) -> Mapping[Pair, Any]:
        kept = self._kept.setdefault(load, {})
        missing = {place for place in places if place not in kept}
        if missing:
            # What nobody has is not remembered: anyone can ask for any code.
            kept |= load(connection, missing)
        return kept

    def _drop(self, merchant_id: str) -> None:
        for kept in self._kept.values():
            for place in [each for each in kept if each[0] == merchant_id]:
                del kept[place]

    def _make_room(self) -> None:
        """At the start of a group, never within: what a group has looked up stays while it is decided."""
        if len(self._routes) + sum(map(len, (*self._kept.values(), self._policies, self._lists))) > MOST_KEPT:
            self.__init__()

    def _is_stale(self, program: Program) -> bool:
        return program.lists_version != self._lists.get(program.merchant_id, (0,))[0]

    def _compile(self, connection: Connection, missing: list[tuple[Program, Affiliate]]) -> None:
        wanted = {
            (program.merchant_id, policy_id)
            for program, affiliate in missing
            for policy_id in (program.policy_id, affiliate.policy_id)
            if policy_id
        }
        documents = {
            pair[1]: orjson.loads(text) for pair, text in setup.policy_documents(connection, wanted).items()
        }
        for program, affiliate in missing:
            laid_over = [each for each in (program.policy_id, affiliate.policy_id) if each]
            policy = merge(DEFAULT, *(documents[each] for each in laid_over))
            self._policies[program.policy_id, affiliate.policy_id] = (
                policy,
                "+".join((DEFAULT_VERSION, *laid_over)),
            )
