"""Says in plain sentences, for the merchant, what a record holds of its signals: noticed, followed, not looked at."""

from collections.abc import Iterator
from typing import Any

from refledger.core.fraud.catalogue import BY_CODE
from refledger.core.times import spoken

# The evidence's times, by the name of their unit: how many milliseconds one is.
_UNITS_MS = {
    "seconds": 1000,
    "minutes": 60_000,
    "hours": 3_600_000,
    "days": 86_400_000,
    "window_days": 86_400_000,
}

# Why something was not looked at that the merchant can mend: what is wanting, and what a signal or family looks for.
_WANTING = {
    "no_database": (
        "a database",
        {
            "geo.same_city_asn": "network operators",
            "geo.same_city": "cities",
            "geo.impossible_travel": "travel",
            "ip.tor": "Tor",
            "ip.hosting": "data centres",
            "ip.proxy": "proxies",
            "ip.vpn": "VPN",
            "ip.relay": "privacy relays",
        },
    ),
    "no_ip": (
        "the customer's internet address",
        {"geo": "places", "ip": "networks", "ua": "shared browsers", "history": "earlier fraud"},
    ),
    "no_agent": ("a user agent", {"ua.os_mismatch": "systems", "ua": "browsers"}),
}

_ALLOWED = "An allow entry of the merchant covers this report."
# What a verdict leads to by its points; as it is, as it was for what has been accepted since, as it would have been.
_FOLLOWS = {
    "review": ("a person looks first", "a person looked first", "a person would have looked first"),
    "refuse": ("a report is refused", "a report was refused", "it would have been refused"),
}
IS, WAS, WOULD = range(3)


class _Lenient(dict):
    """Evidence of an earlier version may lack what a sentence asks for; say so instead of failing."""

    def __missing__(self, key: str) -> str:
        return "?"


def explain(record: dict, tense: int = IS) -> list[str]:
    """One for each signal that fired, then what followed from them. `tense` is WOULD where something else decided."""
    fired = record.get("fired", ())
    if not fired:
        return []
    said = [_with_remark(_says(each), _remark(each, record)) for each in fired]
    if record.get("allowed"):
        said.append(_ALLOWED)
    return [*said, *_conclusion(record, tense)]


def cause(record: dict) -> str | None:
    """What the leading signal noticed, to follow a "because", where its action decided; None where the points did."""
    leading = next((each for each in record.get("fired", ()) if each["code"] == record.get("leading")), None)
    if leading is None or leading["action"] != record["outcome"]:
        return None
    says = _says(leading).removesuffix(".")
    return says[:1].lower() + says[1:]


def unseen(record: dict) -> list[str]:
    """What no signal could look at for want of something that can be supplied, in one sentence if in any."""
    lacking = record.get("not_evaluated", {})
    parts = []
    for why, (wanting, sought) in _WANTING.items():
        named = (sought.get(code) or sought.get(code.partition(".")[0]) for code in lacking.get(why, ()))
        if topics := dict.fromkeys(topic for topic in named if topic):
            parts.append(f"for want of {wanting}: {', '.join(topics)}")
    return [f"Not looked at, {'; '.join(parts)}."] if parts else []


def _says(fired: dict) -> str:
    signal = BY_CODE.get(fired["code"])
    template = signal.says if signal else f"{fired['code']} was noticed."
    evidence = fired.get("evidence") or {}
    return template.format_map(_Lenient({name: _word(name, value) for name, value in evidence.items()}))


def _word(name: str, value: Any) -> Any:
    is_time = name in _UNITS_MS and isinstance(value, int | float)
    return spoken(round(value * _UNITS_MS[name])) if is_time else value


def _with_remark(sentence: str, remark: str) -> str:
    if sentence.endswith(")."):
        return f"{sentence[:-2]}; {remark})."
    return f"{sentence.removesuffix('.')} ({remark})."


def _remark(fired: dict, record: dict) -> str:
    """What it counted, and why not all of its points."""
    points, counted, signal = fired["points"], fired["counted"], BY_CODE.get(fired["code"])
    if fired["mode"] == "shadow":
        return "recorded only: the signal is being tried out"
    if fired["action"] == "evidence":
        return "recorded only"
    if counted == points:
        return _points(points)
    if counted:
        return f"{_points(points)}, {counted} counted: the score is full"
    if record.get("allowed") and (signal is None or signal.waivable):
        return "no points: the allow entry holds"
    if counts := next(_family_that_counts(fired, record), None):
        return (
            f"no points: {'a larger' if counts['points'] > points else 'an equal'} one of its family counts"
        )
    return f"{_points(points)}, none counted: the score is full"


def _family_that_counts(fired: dict, record: dict) -> Iterator[dict]:
    family = fired["code"].partition(".")[0]
    for each in record["fired"]:
        if each["counted"] and each["code"].partition(".")[0] == family:
            yield each


def _points(number: int) -> str:
    return f"{number or 'no'} point{'s' * (number != 1)}"


def _conclusion(record: dict, tense: int) -> Iterator[str]:
    outcome, together = record["outcome"], f"Together {_points(record['score'])}"
    if outcome == "clear":
        yield f"{together}: nothing followed from it."
    elif because := cause(record):
        # Where it decided, the outcome's own sentence names it.
        if tense == WOULD:
            would = _FOLLOWS[outcome][WOULD]
            yield f"{would[:1].upper()}{would[1:]} because {because}."
    else:
        yield f"{together}: from {record.get(f'{outcome}_at')} points on, {_FOLLOWS[outcome][tense]}."
