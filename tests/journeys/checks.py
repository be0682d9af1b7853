"""What must be true of the stored data after anything: asked of the database itself, apart from the service."""

from collections import Counter, defaultdict

from tests.builders import rows

ACCOUNTS = ("pending", "held", "payable", "in_payout", "paid", "dispute_reserve", "expense", "clawback_loss")
WINDOWS_MS = {"hourly": 3_600_000, "daily": 86_400_000}


def faults(database_url, limits=None, one_per_customer=True):
    """Everything that is wrong, in words. `limits`: {"hourly": n, "daily": n}, the same for all affiliates."""
    conversions = rows(database_url, "SELECT * FROM conversions ORDER BY at_ms, id")
    found = [*_parts(database_url, conversions), *_ledger(database_url, conversions), *_numbers(conversions)]
    if one_per_customer:
        found += _identities(conversions)
    for kind, most in (limits or {}).items():
        found += _limit(conversions, WINDOWS_MS[kind], most)
    return found


def lost(database_url, acknowledged):
    """Of acknowledged answers (conversion id → commission in minor units): what the database lacks of them."""
    stored = {row["id"]: row for row in rows(database_url, "SELECT * FROM conversions")}
    decided = _ids(database_url, "SELECT conversion_id AS id FROM decisions")
    told = _ids(database_url, "SELECT subject_id AS id FROM events WHERE type = 'conversion.accepted'")
    paid = _ids(database_url, "SELECT conversion_id AS id FROM entries WHERE kind = 'conversion.accepted'")
    missing = []
    for conversion_id, commission_minor in acknowledged.items():
        if conversion_id not in stored:
            missing.append(f"{conversion_id} is lost")
            continue
        if stored[conversion_id]["commission_minor"] != commission_minor:
            missing.append(f"{conversion_id} has another commission than was answered")
        parts = [("decision", decided), ("event", told)] + [("entry", paid)] * (commission_minor > 0)
        missing += [f"{conversion_id} has no {name}" for name, known in parts if conversion_id not in known]
    return missing


def _ids(database_url, sql):
    return {row["id"] for row in rows(database_url, sql)}


def _parts(database_url, conversions):
    ids = {row["id"] for row in conversions}
    decided = _ids(database_url, "SELECT conversion_id AS id FROM decisions")
    accepted = Counter(
        row["id"]
        for row in rows(
            database_url, "SELECT subject_id AS id FROM events WHERE type = 'conversion.accepted'"
        )
    )
    superseded = _ids(
        database_url, "SELECT subject_id AS id FROM events WHERE type = 'conversion.superseded'"
    )
    reopened = _ids(database_url, "SELECT subject_id AS id FROM events WHERE type = 'conversion.reopened'")
    for conversion in conversions:
        if conversion["id"] not in decided:
            yield f"{conversion['id']} has no decision"
        if accepted[conversion["id"]] != 1:
            yield f"{conversion['id']} has {accepted[conversion['id']]} events of its acceptance"
        gone, back = conversion["decision_reason"] == "superseded", conversion["id"] in reopened
        if gone != (conversion["id"] in superseded) and not back:
            yield f"{conversion['id']} is superseded without its event, or the other way round"
    for name, sql in {
        "decision": "SELECT conversion_id AS id FROM decisions",
        "entry": "SELECT conversion_id AS id FROM entries WHERE payout_id IS NULL",
        "event": "SELECT subject_id AS id FROM events WHERE type LIKE 'conversion.%'",
    }.items():
        yield from (f"{each} has a {name} but is no conversion" for each in _ids(database_url, sql) - ids)


def _ledger(database_url, conversions):
    posted, held = defaultdict(Counter), defaultdict(Counter)
    for entry in rows(database_url, "SELECT * FROM entries"):
        if entry["amount_minor"] <= 0:
            yield f"an entry of {entry['conversion_id']} moves {entry['amount_minor']}"
        for account, sign in ((entry["debit"], -1), (entry["credit"], 1)):
            posted[entry["conversion_id"]][account] += sign * entry["amount_minor"]
            held[entry["affiliate_id"], entry["mode"]][account] += sign * entry["amount_minor"]
    for conversion in conversions:
        found = {account: amount for account, amount in posted[conversion["id"]].items() if amount}
        if found != _due(conversion):
            yield f"{conversion['id']} should hold {_due(conversion)} and holds {found}"
    for standing in rows(database_url, "SELECT * FROM standings"):
        entries = held.pop((standing["affiliate_id"], standing["mode"]), Counter())
        stored = {account: standing[f"{account}_minor"] for account in ACCOUNTS}
        if stored != {account: entries[account] for account in ACCOUNTS}:
            yield f"{standing['affiliate_id']} in {standing['mode']} holds {stored}, its entries {dict(entries)}"
        if sum(stored.values()):
            yield f"{standing['affiliate_id']} in {standing['mode']} does not sum to 0"
    yield from (f"{place} has entries but no standing" for place in held)


def _due(conversion):
    """What a conversion's entries should sum up to, by account."""
    due = conversion["commission_minor"]
    if (
        conversion["decision"] == "rejected"
        or conversion["refunded"]
        or conversion["dispute"] == "lost"
        or not due
    ):
        return {}
    if conversion["dispute"] == "open":
        account = "dispute_reserve"
    else:
        account = "payable" if conversion["decision"] == "approved" else "pending"
    return {account: due, "expense": -due}


def _numbers(conversions):
    """An affiliate's accepted conversions are numbered without a gap; so are the verified ones."""
    for name in ("accepted_no", "verified_no"):
        numbers = defaultdict(list)
        for row in conversions:
            if row[name] is not None:
                numbers[row["affiliate_id"], row["mode"]].append(row[name])
        for place, found in numbers.items():
            if sorted(found) != list(range(1, len(found) + 1)):
                yield f"{place} has the {name}s {sorted(found)}"


def _identities(conversions):
    standing = Counter(
        (row["program_id"], row["mode"], row["email"], row["type"])
        for row in conversions
        if row["decision"] != "rejected"
    )
    orders = Counter(
        (row["program_id"], row["mode"], row["order_id"])
        for row in conversions
        if row["decision"] != "rejected" and row["order_id"] and row["type"] == "purchase"
    )
    yield from (f"{each} stands {count} times" for each, count in (standing + orders).items() if count > 1)


def _limit(conversions, window_ms, most):
    """Of each kind never one above the limit in any window: the n-th after each lies at least a window later."""
    times = defaultdict(list)
    for row in conversions:
        if row["verified"]:
            times[row["affiliate_id"], row["mode"], "verified"].append(row["at_ms"])
        else:
            times[row["affiliate_id"], row["mode"], "unverified"].append(row["at_ms"])
    for place, found in times.items():
        for first, later in zip(found, found[most:], strict=False):
            if later - first < window_ms:
                yield f"{place} has {most + 1} within {later - first} ms"
