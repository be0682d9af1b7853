"""What of the kept words of a report is about a person, and what is left of them when that has to go."""

from collections.abc import Callable, Mapping
from typing import Any

# Stands for the e-mail address where a sale came without one: nobody's, behind the conversion's own id.
PLACEHOLDER = "@placeholder.invalid"

ADDRESS, MAILBOX, CLICK = "customer_ip", "customer_email", "click_id"
# What a sale was, and whose doing: nothing of it leads to its customer.
_OF_THE_SALE = (
    "program_id",
    "conversion_type",
    "ref_code",
    "coupon_code",
    "revenue_amount",
    "currency",
    "order_id",
    "dry_run",
)
_OF_THE_CUSTOMER = (ADDRESS, MAILBOX, "customer_user_agent", "customer_id", CLICK, "metadata")
_KNOWN = {*_OF_THE_SALE, *_OF_THE_CUSTOMER}
DROPPED = "dropped"  # names the fields that are gone; no report may bring it


def without(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A report's fields without `ADDRESS` or `MAILBOX`; nor what the report held beyond the fields there are, for who
    knows what that was.
    """
    left = {field: value for field, value in given.items() if field in _KNOWN and field != name}
    gone = {*dropped(given)} | ({name} if given.get(name) else set())
    return left | ({DROPPED: sorted(gone)} if gone else {})


def without_customer(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of a report's fields when nothing may lead to its customer any more."""
    left = {field: value for field, value in given.items() if field in _OF_THE_SALE}
    gone = {field for field in _OF_THE_CUSTOMER if given.get(field)}
    return left | {DROPPED: sorted({*dropped(given), *gone, MAILBOX})}


def without_naming(names: Callable[[str], bool], given: Mapping[str, Any]) -> dict[str, Any]:
    """A report's fields without those in which `names` finds somebody."""
    left = {
        field: value for field, value in given.items() if unnamed(names, {field: value}) == {field: value}
    }
    gone = sorted({*dropped(given), *(each for each in given if each not in left and not names(each))})
    return left | ({DROPPED: gone} if gone else {})


def unnamed(names: Callable[[str], bool], value: Any) -> Any:
    """With a `?` for every text, however deep, in which `names` finds somebody."""
    if isinstance(value, str):
        return "?" if names(value) else value
    if isinstance(value, list):
        return [unnamed(names, each) for each in value]
    if isinstance(value, dict):
        return {unnamed(names, name): unnamed(names, each) for name, each in value.items()}
    return value


def dropped(given: Mapping[str, Any]) -> list[str]:
    """Names of the fields that are gone."""
    return given.get(DROPPED, [])


# Families whose evidence is about when and how, not about who.
_NOBODYS_FAMILIES = ("timing", "click", "conversion", "affiliate")
_FACTS_OF_PLACES = ("origin", "click_origin")


def record_without_customer(record: Mapping[str, Any]) -> dict[str, Any]:
    """A decision record that leads to nobody. Codes, levels, points and times stay: it is explained with less, and
    another policy can still be tried on it.
    """
    left = {name: value for name, value in record.items() if name != "known_as"}
    if "facts" in record:
        facts = {name: value for name, value in record["facts"].items() if name not in _FACTS_OF_PLACES}
        if "click" in facts:
            facts["click"] = {name: value for name, value in facts["click"].items() if name != "id"}
        left["facts"] = facts
    if "fraud" in record:
        fired = [_without_evidence(each) for each in record["fraud"]["fired"]]
        left["fraud"] = record["fraud"] | {"fired": fired}
    return left


def _without_evidence(fired: Mapping[str, Any]) -> dict[str, Any]:
    if fired["code"].partition(".")[0] in _NOBODYS_FAMILIES:
        return dict(fired)
    return dict(fired) | {"evidence": {}}
