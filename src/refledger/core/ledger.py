"""Double entry by target: what a conversion's accounts should hold, and the moves that get them there.

An entry moves one amount from one account to another, so it balances by construction. What is posted is always the
difference between the target and what is posted already: any order and any repetition of the same facts ends in the
same balances.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Move:
    """One balanced entry to be: `amount_minor` > 0 leaves `debit` and reaches `credit`."""

    debit: str
    credit: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class State:
    """What decides where a commission lies. `due_minor`: what its terms allow of what the customer has paid and not
    got back; `is_held`: its hold is not over.
    """

    decision: str
    due_minor: int
    dispute: str | None = None
    is_held: bool = False


def target(state: State) -> dict[str, int]:
    """What each account should hold of a commission; the rest is the program's expense.

    An open dispute keeps what would be due in reserve; a lost one, like a rejection, leaves nothing due. Payouts are no
    part of it: they move what an affiliate has, not what a conversion earned, so that what is taken back afterwards
    goes out of `payable`, which may fall below zero.
    """
    if state.decision == "rejected" or state.dispute == "lost" or state.due_minor == 0:
        return {}
    if state.dispute == "open":
        return {"dispute_reserve": state.due_minor}
    if state.decision == "approved":
        return {"held" if state.is_held else "payable": state.due_minor}
    return {"pending": state.due_minor}


def moves(posted: Mapping[str, int], wanted: Mapping[str, int]) -> list[Move]:
    """The moves from what is posted to what is wanted, through `expense`, by account name.

    `posted`: the sum of a conversion's entries per account, `expense` left out.
    """
    differences = {
        account: wanted.get(account, 0) - posted.get(account, 0)
        for account in sorted({*posted, *wanted} - {"expense"})
    }
    givers = [(account, -delta) for account, delta in differences.items() if delta < 0]
    takers = [(account, delta) for account, delta in differences.items() if delta > 0]
    surplus = sum(amount for _, amount in givers) - sum(amount for _, amount in takers)
    if surplus > 0:
        takers.append(("expense", surplus))
    elif surplus < 0:
        givers.append(("expense", -surplus))
    return _pair(givers, takers)


def _pair(givers: list[tuple[str, int]], takers: list[tuple[str, int]]) -> list[Move]:
    found = []
    waiting = takers[::-1]
    for debit, left in givers:
        while left:
            credit, wants = waiting.pop()
            amount = min(left, wants)
            found.append(Move(debit, credit, amount))
            left -= amount
            if wants > amount:
                waiting.append((credit, wants - amount))
    return found
