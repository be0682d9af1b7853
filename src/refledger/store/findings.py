"""What each signal noticed, and what the merchant decided about it later."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from refledger.core.decision_reasons import AUTOMATIC, CONFIRMING, NOT_FRAUD, SUPERSEDED
from refledger.store.engine import Connection
from refledger.store.schema import conversions, findings

_confirmed = and_(conversions.c.decision == "rejected", conversions.c.decision_reason.in_(CONFIRMING))
# What was approved by itself nobody has judged.
_approved = and_(
    conversions.c.decision == "approved", func.coalesce(conversions.c.decision_reason, "") != AUTOMATIC
)
_cleared = or_(
    _approved,
    and_(conversions.c.decision == "rejected", conversions.c.decision_reason == NOT_FRAUD),
)
# By the merchant: what another report displaced, nobody judged.
_decided = or_(
    _approved,
    and_(
        conversions.c.decision == "rejected",
        func.coalesce(conversions.c.decision_reason, "") != SUPERSEDED,
    ),
)
_undecided = conversions.c.decision.in_(("pending", "pending_review"))
_waits = and_(
    conversions.c.decision == "pending_review",
    conversions.c.status == "pending_review",
    conversions.c.leading_code == findings.c.code,
)


class Tally(NamedTuple):
    """Of one signal, effect and currency. `held_minor`: the commission that waits because this signal leads."""

    code: str
    effect: str
    currency: str
    hits: int
    decided: int
    undecided: int
    confirmed: int
    cleared: int
    held: int
    held_minor: int


def tallies(
    connection: Connection,
    merchant_id: str,
    mode: str,
    codes: Sequence[str],
    program_id: str | None,
    from_id: str,
    before_id: str | None,
) -> list[Tally]:
    """Of these signals, on conversions with ids from `from_id` on and before `before_id`."""
    wanted: list[ColumnElement[bool]] = [findings.c.conversion_id >= from_id]
    if before_id is not None:
        wanted.append(findings.c.conversion_id < before_id)
    if program_id is not None:
        wanted.append(findings.c.program_id == program_id)
    statement = (
        select(
            findings.c.code,
            findings.c.effect,
            conversions.c.currency,
            func.count(),
            _count(_decided),
            _count(_undecided),
            _count(_confirmed),
            _count(_cleared),
            _count(_waits),
            func.coalesce(func.sum(case((_waits, conversions.c.commission_minor))), 0),
        )
        .join(
            conversions,
            and_(
                conversions.c.merchant_id == findings.c.merchant_id,
                conversions.c.id == findings.c.conversion_id,
            ),
        )
        .where(
            findings.c.merchant_id == merchant_id,
            findings.c.code.in_(codes),
            findings.c.mode == mode,
            *wanted,
        )
        .group_by(findings.c.code, findings.c.effect, conversions.c.currency)
    )
    return [Tally(*row[:3], *map(int, row[3:])) for row in connection.execute(statement)]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
