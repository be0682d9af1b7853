"""Whether a conversion is known already, and which unverified ones a verified report takes over."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from refledger.core.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier conversion of the same customer or order, in the same program and mode."""

    id: str
    affiliate_id: str
    type: str
    decision: str
    verified: bool
    email_key: str
    order_id: str | None
    click_id: str | None
    at_ms: int

    @property
    def stands(self) -> bool:
        """A rejected conversion has released its identity."""
        return self.decision != "rejected"

    @property
    def yields_to_verified(self) -> bool:
        return not self.verified and self.decision in ("pending", "pending_review")


def check_identity(
    conversion_type: str,
    order_id: str | None,
    repeat_purchases: Any,
    own: Sequence[Past],
    order: Past | None,
    verified: bool,
    now_ms: int,
) -> Refusal | tuple[Past, ...]:
    """409 with the conversion that has the identity, or the unverified ones that a verified report displaces.

    `own`: the conversions of the very same e-mail address, standing or not. `order`: the one that has the order id.
    """
    holders = [past for past in own if past.stands and past.type == conversion_type]
    if conversion_type == "purchase" and order_id:
        same_order = [order] if order is not None and order.stands else []
        # Both are asked: whoever squats on an order number must not open a second paid sale to its customer.
        holders = [past for past in holders if past not in same_order]
        if _repeats(repeat_purchases, holders, verified, now_ms):
            # A sale reported without its order id may be this one: only a verified report may settle that.
            holders = [
                past for past in holders if verified and past.order_id is None and past.yields_to_verified
            ]
        holders = same_order + holders
    firm = [past for past in holders if not (verified and past.yields_to_verified)]
    if firm:
        return Refusal(Reason.DUPLICATE, conversion_id=firm[0].id)
    return tuple(holders)


def _repeats(repeat_purchases: Any, holders: Sequence[Past], verified: bool, now_ms: int) -> bool:
    """Whether a further order of this customer is paid now."""
    if repeat_purchases == "lifetime" or not holders:
        return True
    if repeat_purchases == "first":
        return False
    # A forged purchase, made early, must not have used up the months of a verified one.
    counted = [past.at_ms for past in holders if not (verified and past.yields_to_verified)]
    return not counted or now_ms < _months_later(min(counted), repeat_purchases["months"])


def _months_later(at_ms: int, months: int) -> int:
    """The same time of a day so many calendar months later (UTC), the month's last day where it has no such day."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    years, month = divmod(at.month - 1 + months, 12)
    year = at.year + years
    day = min(at.day, monthrange(year, month + 1)[1])
    return int(at.replace(year=year, month=month + 1, day=day).timestamp()) * 1000 + at_ms % 1000
