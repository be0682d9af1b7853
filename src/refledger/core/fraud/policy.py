"""What each signal is worth: versioned data, a default overridden per program and per affiliate.

A document is `{"review_at": 40, "refuse_at": null, "signals": {code: {"action", "mode", "points"}}}`; an
override holds only what differs. Points are one number, or one per level for signals that have levels.

Actions: `score` counts the points; `review` counts them and has a person look; `refuse` counts them and refuses;
`evidence` records without points; `off` does not ask. Mode `shadow` records what would have been, without effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from refledger.core.fraud.case import Case
from refledger.core.fraud.catalogue import BY_CODE, SIGNALS
from refledger.core.fraud.signal import Finding, Signal, needed

ACTIONS = ("score", "review", "refuse", "evidence", "off")
MODES = ("enforce", "shadow")
DEFAULT_VERSION = "default-1"
MOST_POINTS = 100


def _entry(signal: Signal) -> dict:
    points = list(signal.points) if len(signal.points) > 1 else signal.points[0]
    return {"action": signal.action, "mode": signal.mode, "points": points}


DEFAULT = {
    "review_at": 40,
    "refuse_at": None,
    "signals": {signal.code: _entry(signal) for signal in SIGNALS},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One signal under one policy. `asks` is None when it is off; `counts` is False when nothing follows from it."""

    code: str
    family: str
    asks: Callable[[Case], Finding] | None
    needs: int
    action: str
    mode: str
    points: tuple[int, ...]
    counts: bool
    waivable: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """Compiled: `rules` is aligned with the catalogue; `steps` is what the loop over them needs."""

    document: dict
    review_at: int | None
    refuse_at: int | None
    rules: tuple[Rule, ...]
    steps: tuple[tuple[Callable[[Case], Finding] | None, int], ...] = field(repr=False)


def validate(overrides: object) -> list[tuple[str, str]]:
    """What is wrong with an override document: (path, message) each; empty when nothing is."""
    if not isinstance(overrides, dict):
        return [("", "a policy is an object")]
    faults = []
    for key, value in overrides.items():
        if key in ("review_at", "refuse_at"):
            if value is not None and not _whole(value, 1, MOST_POINTS):
                faults.append((key, f"must be a whole number from 1 to {MOST_POINTS}, or null"))
        elif key == "signals":
            faults += _signal_faults(value)
        else:
            faults.append((str(key), "unknown; a policy has review_at, refuse_at and signals"))
    return faults


def _signal_faults(signals: object) -> list[tuple[str, str]]:
    if not isinstance(signals, dict):
        return [("signals", "must be an object of signal codes")]
    faults = []
    for code, entry in signals.items():
        path = f"signals.{code}"
        signal = BY_CODE.get(code)
        if signal is None:
            faults.append((path, "no such signal"))
        elif not isinstance(entry, dict):
            faults.append((path, "must be an object with action, mode or points"))
        else:
            faults += [
                (f"{path}.{key}", fault)
                for key, value in entry.items()
                if (fault := _fault(key, value, signal))
            ]
    return faults


def _fault(key: str, value: object, signal: Signal) -> str | None:
    if key == "action":
        return None if value in ACTIONS else f"must be one of {', '.join(ACTIONS)}"
    if key == "mode":
        return None if value in MODES else f"must be one of {', '.join(MODES)}"
    if key != "points":
        return "unknown; a signal has action, mode and points"
    levels = len(signal.points)
    if _whole(value, 0, MOST_POINTS):
        return None
    if (
        isinstance(value, list)
        and len(value) == levels
        and all(_whole(each, 0, MOST_POINTS) for each in value)
    ):
        return None
    several = f", or a list of {levels} of them" if levels > 1 else ""
    return f"must be a whole number from 0 to {MOST_POINTS}{several}"


def _whole(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most  # type(): True is no number of points


def merge(default: dict, *overrides: dict | None) -> Policy:
    """Lay the overrides over the default, in order, and compile. They must have passed `validate`.

    Codes the catalogue no longer has are passed over: stored policies outlive signals, and a report must not
    fail because of one.
    """
    document = {**DEFAULT, **default, "signals": {}}
    layers = [layer for layer in (default, *overrides) if layer]
    for layer in layers:
        document |= {key: layer[key] for key in ("review_at", "refuse_at") if key in layer}
    for signal in SIGNALS:
        entry = _entry(signal)
        for layer in layers:
            entry |= layer.get("signals", {}).get(signal.code, {})
        entry["points"] = _shape(entry["points"], len(signal.points))
        document["signals"][signal.code] = entry
    return _compile(document)


def _shape(points: int | list[int], levels: int) -> int | list[int]:
    """One number stands for every level; one level is written as one number."""
    if levels == 1:
        return points[0] if isinstance(points, list) else points
    return list(points) if isinstance(points, list) else [points] * levels


def _compile(document: dict) -> Policy:
    rules = tuple(_rule(signal, document["signals"][signal.code]) for signal in SIGNALS)
    return Policy(
        document=document,
        review_at=document["review_at"],
        refuse_at=document["refuse_at"],
        rules=rules,
        steps=tuple((rule.asks, rule.needs) for rule in rules),
    )


def _rule(signal: Signal, entry: dict) -> Rule:
    action, mode, points = entry["action"], entry["mode"], entry["points"]
    return Rule(
        code=signal.code,
        family=signal.family,
        asks=None if action == "off" else signal.check,
        needs=needed(signal),
        action=action,
        mode=mode,
        points=tuple(points) if isinstance(points, list) else (points,),
        counts=mode == "enforce" and action in ("score", "review", "refuse"),
        waivable=signal.waivable,
    )


DEFAULT_POLICY = merge(DEFAULT)
