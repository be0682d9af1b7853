"""The client's log: a line of JSON before each sending and one after each answer, added and never changed."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SALE_MINOR = {"purchase": 999, "signup": 0}  # what each type earns


@dataclass(frozen=True)
class Sale:
    """A logical conversion, which is sent once or several times. Every one has an e-mail address of its own."""

    number: int
    ref_code: str
    program_id: str
    type: str
    email: str
    order_id: str | None
    key: str | None
    # Only every other copy brings the key.
    is_mixed: bool
    verified: bool

    @property
    def fields(self) -> dict[str, Any]:
        revenue = {"revenue_amount": 99.99} if self.type == "purchase" else {}
        order = {"order_id": self.order_id} if self.order_id else {}
        return {
            "program_id": self.program_id,
            "conversion_type": self.type,
            "ref_code": self.ref_code,
            "customer_email": self.email,
            **revenue,
            **order,
        }


@dataclass
class Try:
    """One sending. Times are the database's. `status` None: no answer came, or nobody waited for it."""

    number: int
    sale: int
    keyed: bool
    sent_ms: int
    answered_ms: int | None = None
    status: int | None = None
    body: str = ""
    retry_after: str | None = None
    replayed: bool = False

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body)


class Log:
    """Writes it."""

    def __init__(self, path: Path):
        self._file = path.open("a", buffering=1)

    def sale(self, sale: Sale) -> None:
        self._add("sale", asdict(sale))

    def sent(self, number: int, sale: int, keyed: bool, at_ms: int) -> None:
        self._add("sent", {"number": number, "sale": sale, "keyed": keyed, "sent_ms": at_ms})

    def answered(self, number: int, answer, at_ms: int) -> None:
        told = {
            "status": answer.status,
            "body": answer.content.decode(),
            "retry_after": answer.headers.get("retry-after"),
            "replayed": answer.headers.get("idempotent-replayed") == "true",
        }
        self._add("answered", {"number": number, "answered_ms": at_ms, **told})

    def gave_up(self, sale: int) -> None:
        self._add("gave up", {"sale": sale})

    def close(self) -> None:
        self._file.close()

    def _add(self, what: str, told: dict[str, Any]) -> None:
        self._file.write(json.dumps([what, told]) + "\n")


@dataclass
class Story:
    """What the log tells: sales by number, their tries, and the sales that somebody gave up."""

    sales: dict[int, Sale] = field(default_factory=dict)
    tries: list[Try] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)

    def by_sale(self) -> dict[int, list[Try]]:
        found = defaultdict(list)
        for each in self.tries:
            found[each.sale].append(each)
        return found

    def acknowledged(self) -> dict[str, int]:
        """Conversion id → commission in minor units."""
        return {
            each.said["conversion_id"]: SALE_MINOR[self.sales[each.sale].type]
            for each in self.tries
            if each.status == 200
        }


def read(path: Path) -> Story:
    story, by_number = Story(), {}
    for line in path.read_text().splitlines():
        what, told = json.loads(line)
        if what == "sale":
            story.sales[told["number"]] = Sale(**told)
        elif what == "sent":
            by_number[told["number"]] = Try(**told)
            story.tries.append(by_number[told["number"]])
        elif what == "answered":
            for name, value in told.items():
                setattr(by_number[told["number"]], name, value)
        else:
            story.given_up.append(told["sale"])
    return story
