"""Rows as the API shows them: every object with `id`, `object`, `created_at` and `mode`; money as `money`."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from refledger.core import affiliate_explanations
from refledger.core.explanations import explain
from refledger.core.fraud import policy as rules
from refledger.core.fraud import scoring
from refledger.core.fraud.policy import DEFAULT_VERSION
from refledger.core.money import as_object as money
from refledger.core.money import to_text
from refledger.core.times import to_text as time_text
from refledger.services import policies
from refledger.web.api.inputs import write_cursor

Row = dict[str, Any]


def page(rows: Iterable[Row], has_more: bool, show: Callable[[Row, str], Row], mode: str) -> dict[str, Any]:
    rows = list(rows)
    return {
        "data": [show(row, mode) for row in rows],
        "has_more": has_more,
        "next_cursor": write_cursor(rows[-1]["id"]) if has_more else None,
    }


def _base(kind: str, row: Row, mode: str, created_ms: int) -> dict[str, Any]:
    """An object of the configuration belongs to both modes: its `mode` is the one it is read in."""
    return {"id": row["id"], "object": kind, "created_at": time_text(created_ms), "mode": mode}


def _time(ms: int | None) -> str | None:
    return None if ms is None else time_text(ms)


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


# ── what a merchant sets up ──────────────────────────────────────────────────────────────────────────────────────


def program(row: Row, mode: str) -> Row:
    return {
        **_base("program", row, mode, row["created_ms"]),
        "name": row["name"],
        "slug": row["slug"],
        "currency": row["currency"],
        "site_url": row["site_url"] or None,
        "allowed_hosts": _json(row["allowed_hosts"]),
        "allowed_origins": _json(row["allowed_origins"]),
        "window_days": row["window_days"],
        "commission": _json(row["commission"]),
        "repeat_purchases": _json(row["repeat_purchases"]),
        "limits": {"hourly": row["limit_hourly"], "daily": row["limit_daily"]},
        "attribution": row["attribution"],
        "max_revenue": to_text(row["max_revenue_minor"], row["currency"]),
        "recruiter": _json(row["recruiter"]),
        "hold_days": row["hold_days"],
        "approve_days": row["approve_days"],
        "payout_minimum": to_text(row["payout_minimum_minor"], row["currency"]),
        "time_zone": row["time_zone"],
        "status": row["status"],
        **_policy_of(row),
    }


def affiliate(row: Row, mode: str, public_url: str = "") -> Row:
    own_limits = {"hourly": row["limit_hourly"], "daily": row["limit_daily"]}
    return {
        **_base("affiliate", row, mode, row["created_ms"]),
        "program_id": row["program_id"],
        "email": row["email"],
        "name": row["name"],
        "ref_code": row["ref_code"],
        "status": row["status"],
        "limits": None if set(own_limits.values()) == {None} else own_limits,
        "commission": _json(row["commission"]),
        "recruiter_id": row["recruiter_id"],
        "known_addresses": _json(row["known_addresses"]),
        "seen_addresses": [
            {"address": address, "last_seen_at": time_text(at_ms), "where": where}
            for address, at_ms, where in _json(row["seen_addresses"])
        ],
        "test_link": public_url + row["test_path"],
        **_policy_of(row),
    }


def _policy_of(row: Row) -> Row:
    overrides = row["policy"]
    return {
        "policy": _json(overrides["document"]) if overrides else None,
        "policy_version": overrides["version"] if overrides else 0,
    }


def policy(row: Row, mode: str) -> Row:
    """Of a program's row: its overrides, and the document that results."""
    overrides = row["policy"]
    return {
        "id": overrides["id"] if overrides else DEFAULT_VERSION,
        "object": "policy",
        "created_at": time_text((overrides or row)["created_ms"]),
        "mode": mode,
        "program_id": row["id"],
        "base": DEFAULT_VERSION,
        "version": overrides["version"] if overrides else 0,
        "overrides": _json(overrides["document"]) if overrides else {},
        "document": policies.effective(overrides),
    }


def policy_version(row: Row, mode: str) -> Row:
    return {
        **_base("policy_version", row, mode, row["created_ms"]),
        "program_id": row["program_id"],
        "affiliate_id": row["affiliate_id"],
        "version": row["version"],
        "in_force": row["in_force"],
        "actor": row["actor"],
        "overrides": _json(row["document"]),
    }


def terms_version(row: Row, mode: str) -> Row:
    return {
        **_base("terms_version", row, mode, row["created_ms"]),
        "program_id": row["program_id"],
        "affiliate_id": row["affiliate_id"],
        "version": row["version"],
        "in_force": row["in_force"],
        "actor": row["actor"],
        "terms": _json(row["document"]),
    }


def preset(name: str, version: str, overrides: Row, document: Row) -> Row:
    return {
        "object": "policy_preset",
        "name": name,
        "version": version,
        "overrides": overrides,
        "document": document,
    }


def policy_diff(program_id: str, old: tuple[str, Row], new: tuple[str, Row]) -> Row:
    """Of two policies as (name, document)."""
    return {
        "object": "policy_diff",
        "program_id": program_id,
        "from": old[0],
        "to": new[0],
        "changes": [
            {"path": path, "old": was, "new": now} for path, was, now in rules.differences(old[1], new[1])
        ],
    }


def coupon(row: Row, mode: str) -> Row:
    return {
        **_base("coupon", row, mode, row["created_ms"]),
        "program_id": row["program_id"],
        "affiliate_id": row["affiliate_id"],
        "code": row["code"],
        "starts_at": _time(row["starts_ms"]),
        "ends_at": _time(row["ends_ms"]),
        "active": bool(row["active"]),
    }


def list_entry(row: Row, mode: str) -> Row:
    return {
        **_base("list_entry", row, mode, row["created_ms"]),
        "action": row["action"],
        "kind": row["kind"],
        "value": row["value"],
        "program_id": row["program_id"],
        "note": row["note"],
        "expires_at": _time(row["expires_ms"]),
    }


# ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────


def conversion(row: Row, _mode: str) -> Row:
    currency = row["currency"]
    return {
        **_base("conversion", row, row["mode"], row["at_ms"]),
        "updated_at": time_text(row["updated_ms"]),
        "status": row["status"],
        "decision": row["decision"],
        "decision_reason": row["decision_reason"],
        "verified": bool(row["verified"]),
        "type": row["type"],
        "program_id": row["program_id"],
        "affiliate_id": row["affiliate_id"],
        "via": row["via"],
        "ref_code": row["ref_code"],
        "coupon_id": row["coupon_id"],
        "customer": {"email": row["email"] or None, "customer_id": row["customer_id"]},
        "order_id": row["order_id"],
        "revenue": money(row["revenue_minor"], currency),
        "commission": money(row["commission_minor"], currency),
        "refunded": money(row["refunded_minor"], currency),
        "dispute": row["dispute"],
        "held_until": _time(row["matures_ms"]),
        "approves_at": _time(row["approves_ms"]),
        "score": row["score"],
        "signal": row["leading_code"],
        "click_id": row["click_id"],
        "metadata": _json(row["metadata"]),
        "attempt_id": row["attempt_id"],
    }


def conversion_whole(row: Row, mode: str) -> Row:
    record = _json(row["record"]) or {}
    events = [event(each, mode) for each in row["events"]]
    return {
        **conversion(row, mode),
        "decision_record": _expanded(record),
        "explanation": explain(record, events),
        "explanation_for_affiliate": affiliate_explanations.explain(record, events),
        "entries": [entry(each, mode) for each in row["entries"]],
        "events": events,
    }


def _expanded(record: Row) -> Row:
    """With one line for every signal, whatever came of it, and terms as what they are."""
    shown = dict(record)
    if "terms" in record:
        terms = record["terms"]
        shown["terms"] = terms | {
            name: _json(terms.get(name)) for name in ("program", "affiliate", "recruiter")
        }
    if "fraud" in record:
        fraud = record["fraud"]
        summary = {
            name: fraud.get(name) for name in ("score", "outcome", "leading", "review_at", "refuse_at")
        }
        summary["allowed"] = fraud.get("allowed", False)
        shown["fraud"] = summary | {"signals": scoring.expand(fraud)}
    return shown


def entry(row: Row, _mode: str) -> Row:
    return {
        "id": f"{row['cause']}.{row['kind']}.{row['line']}",
        "object": "entry",
        "created_at": time_text(row["at_ms"]),
        "mode": row["mode"],
        "cause": row["cause"],
        "kind": row["kind"],
        "affiliate_id": row["affiliate_id"],
        "from": row["debit"],
        "to": row["credit"],
        "amount": money(row["amount_minor"], row["currency"]),
    }


def event(row: Row, _mode: str) -> Row:
    return {
        **_base("event", row, row["mode"], row["at_ms"]),
        "type": row["type"],
        "subject_id": row["subject_id"],
        "data": _json(row["data"]),
    }


def attempt(row: Row, _mode: str) -> Row:
    return {
        **_base("attempt", row, row["mode"], row["at_ms"]),
        "updated_at": time_text(row["updated_ms"]),
        "status": "accepted" if row["conversion_id"] else "open",
        "code": row["code"],
        "verified": bool(row["verified"]),
        "program_id": row["program_id"],
        "affiliate_id": row["affiliate_id"],
        "conversion_id": row["conversion_id"],
        "input": _json(row["input"]),
        "request_id": row["request_id"],
    }


def attempt_whole(row: Row, mode: str) -> Row:
    record = _json(row["record"]) or {}
    return {
        **attempt(row, mode),
        "decision_record": _expanded(record),
        "explanation": explain(record),
        "explanation_for_affiliate": affiliate_explanations.explain(record),
    }


def click(row: Row, _mode: str) -> Row:
    names = ("program_id", "affiliate_id", "source", "address", "agent", "url", "referrer", "sub_id", "dest")
    shown = {**_base("click", row, row["mode"], row["at_ms"]), **{name: row[name] for name in names}}
    return shown | {"automated": "why" in row, "why": row.get("why")}


def audit(row: Row, _mode: str) -> Row:
    return {
        **_base("audit", row, row["mode"], row["at_ms"]),
        "actor": row["actor"],
        "action": row["action"],
        "subject_id": row["subject_id"],
        "changes": _json(row["changes"]),
    }


def balance(affiliate_row: Row, mode: str, currency: str, accounts: dict[str, int], matured: int) -> Row:
    return {
        **_base("balance", affiliate_row, mode, affiliate_row["created_ms"]),
        "affiliate_id": affiliate_row["id"],
        "program_id": affiliate_row["program_id"],
        "currency": currency,
        "accounts": {name: money(minor, currency) for name, minor in accounts.items()},
        "matured": money(matured, currency),
    }
