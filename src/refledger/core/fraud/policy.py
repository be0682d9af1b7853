"""What each signal is worth: versioned data, a default overridden per program and per affiliate.

A document is `{"review_at": 40, "refuse_at": null, "signals": {code: {"action", "mode", "points"}}}`; an
override holds only what differs. Points are one number, or one per level for signals that have levels.

Actions: `score` counts the points; `review` counts them and has a person look; `refuse` counts them and refuses;
`evidence` records without points; `off` is asked too, but neither counts nor is shown. Mode `shadow` records what
would have been, without effect.

A document may begin with `"preset": name` (core.fraud.presets): what lay under it no longer holds, and the rest lies
over it. `note` is for its readers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from refledger.core.exact_json import CONTROLS, NAMELESS
from refledger.core.fraud.case import Case
from refledger.core.fraud.catalogue import BY_CODE, SIGNALS
from refledger.core.fraud.presets import NEWEST, PRESETS
from refledger.core.fraud.signal import Finding, Signal, needed

ACTIONS = ("score", "review", "refuse", "evidence", "off")
MODES = ("enforce", "shadow")
DEFAULT_VERSION = "default-1"
MOST_POINTS = 100
MOST_NOTE = 500  # characters


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
    """One signal under one policy. `counts` is False when nothing follows from it."""

    code: str
    family: str
    asks: Callable[[Case], Finding]
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
    steps: tuple[tuple[Callable[[Case], Finding], int], ...] = field(repr=False)
    by_code: dict[str, Rule] = field(repr=False)


def validate(overrides: object) -> list[tuple[str, str]]:
    """What is wrong with an override document: (path, message) each; empty when nothing is."""
    if not isinstance(overrides, dict):
        return [("", "must be an object")]
    faults = []
    for key, value in overrides.items():
        if key in ("review_at", "refuse_at"):
            if value is not None and not _whole(value, 1, MOST_POINTS):
                faults.append((key, f"must be a whole number from 1 to {MOST_POINTS}, or null"))
        elif key == "signals":
            faults += _signal_faults(value)
        elif key == "preset":
            if not isinstance(value, str) or value not in {*NEWEST, *PRESETS}:
                faults.append((key, f"must be one of {', '.join((*NEWEST, *PRESETS))}"))
        elif key == "note":
            if not isinstance(value, str) or len(value) > MOST_NOTE:
                faults.append((key, f"must be text of at most {MOST_NOTE} characters"))
            elif CONTROLS.search(value):
                faults.append((key, "has control characters"))
        else:
            faults.append(
                (str(key) or NAMELESS, "unknown; a policy has preset, review_at, refuse_at, signals and note")
            )
    return faults


def _signal_faults(signals: object) -> list[tuple[str, str]]:
    if not isinstance(signals, dict):
        return [("signals", "must be an object of signal codes")]
    faults = []
    for code, entry in signals.items():
        path = f"signals.{code or NAMELESS}"
        signal = BY_CODE.get(code)
        if signal is None:
            faults.append((path, "no such signal"))
        elif not isinstance(entry, dict):
            faults.append((path, "must be an object with action, mode or points"))
        else:
            faults += [
                (f"{path}.{key or NAMELESS}", fault)
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


def pinned(overrides: dict) -> dict:
    """With its preset by the name of the version it has now, so that what it means never changes."""
    preset = overrides.get("preset")
    return overrides | {"preset": NEWEST.get(preset, preset)} if preset else overrides


def merge(default: dict, *overrides: dict | None) -> Policy:
    """Lay the overrides over the default, in order, and compile. They must have passed `validate`.

    Codes the catalogue no longer has are passed over: stored policies outlive signals, and a report must not
    fail because of one.
    """
    document = {**DEFAULT, **default, "signals": {}}
    layers = _layers(default, overrides)
    for layer in layers:
        document |= {key: layer[key] for key in ("review_at", "refuse_at") if key in layer}
    for signal in SIGNALS:
        entry = _entry(signal)
        for layer in layers:
            entry |= layer.get("signals", {}).get(signal.code, {})
        entry["points"] = _shape(entry["points"], len(signal.points))
        document["signals"][signal.code] = entry
    return _compile(document)


def _layers(default: dict, overrides: Iterable[dict | None]) -> list[dict]:
    layers = [default]
    for layer in overrides:
        if layer and layer.get("preset"):
            preset = pinned(layer)["preset"]
            layers = [default, PRESETS.get(preset, {})]
        layers += [layer] if layer else []
    return layers


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
        by_code={rule.code: rule for rule in rules},
    )


def _rule(signal: Signal, entry: dict) -> Rule:
    action, mode, points = entry["action"], entry["mode"], entry["points"]
    return Rule(
        code=signal.code,
        family=signal.family,
        asks=signal.check,
        needs=needed(signal),
        action=action,
        mode=mode,
        points=tuple(points) if isinstance(points, list) else (points,),
        counts=mode == "enforce" and action in ("score", "review", "refuse"),
        waivable=signal.waivable,
    )


def differences(old: dict, new: dict) -> list[tuple[str, Any, Any]]:
    """Between two whole documents: (path, old, new), in the order of the first."""
    found = [(key, old[key], new[key]) for key in ("review_at", "refuse_at") if old[key] != new[key]]
    for code, entry in old["signals"].items():
        other = new["signals"][code]
        found += [
            (f"signals.{code}.{key}", entry[key], other[key]) for key in entry if entry[key] != other[key]
        ]
    return found


def enforced(policy: Policy) -> Policy:
    """With what it only tries out in force."""
    signals = {code: entry | {"mode": "enforce"} for code, entry in policy.document["signals"].items()}
    return _compile(policy.document | {"signals": signals})


DEFAULT_POLICY = merge(DEFAULT)
