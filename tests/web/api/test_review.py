"""The review through the API: what waits, grouped; and how often each signal was right."""

import pytest

from refledger.core.fraud.catalogue import SIGNALS
from refledger.core.fraud.precision import precision


@pytest.fixture
def program(shop):
    return shop.program(limits={"hourly": 1000, "daily": 1000})


@pytest.fixture
def affiliate(shop, program):
    return shop.affiliate(program, name="John")


@pytest.fixture
def tests(shop, program, affiliate, clock):
    """Eight sales that look like tests, a minute apart."""
    found = []
    for number in range(8):
        found.append(shop.conversion(program, customer_email=f"test{number}@shop{number}.example.com"))
        clock.advance_s(60)
    return found


def reports(shop, **params):
    response = shop.get("/v1/signals", **params)
    assert response.status_code == 200, response.text
    return {each["code"]: each for each in response.json()["data"]}


def reject(shop, conversion_id, reason):
    assert shop.post(f"/v1/conversions/{conversion_id}/reject", {"reason": reason}).status_code == 200


def usd(minor, text):
    return {"amount_minor": minor, "amount": text, "currency": "USD"}


def test_a_group_tells_what_it_holds_and_for_how_long(shop, program, affiliate, tests, clock):
    found = shop.get("/v1/review").json()
    assert found["has_more"] is False
    (group,) = found["data"]
    assert group == {
        "object": "review_group",
        "mode": "live",
        "program_id": program["id"],
        "affiliate": {"id": affiliate["id"], "name": "John", "ref_code": "JOHN123"},
        "signal": {"code": "email.test_pattern", "notice": "a local part typed for a test"},
        "count": 8,
        "commission": usd(7992, "79.92"),
        "revenue": usd(79992, "799.92"),
        "oldest_at": "2026-09-21T14:13:20.000Z",
        "newest_at": "2026-09-21T14:20:20.000Z",
        "age_s": 480,
        "conversion_ids": tests[::-1],
    }
    whole = shop.get(f"/v1/conversions/{tests[0]}").json()
    assert (whole["status"], whole["signal"]) == ("pending_review", "email.test_pattern")


def test_a_group_is_decided_at_once_and_gone(shop, tests):
    (group,) = shop.get("/v1/review").json()["data"]
    body = {"action": "reject", "ids": group["conversion_ids"], "reason": "Test"}
    assert shop.post("/v1/conversions/bulk", body).json()["succeeded"] == 8
    assert shop.get("/v1/review").json() == {"data": [], "has_more": False}


def test_a_group_is_listed_by_its_own_filters(shop, affiliate, tests):
    wanted = {"status": "pending_review", "affiliate_id": affiliate["id"]}
    found = shop.get("/v1/conversions", **wanted, signal="email.test_pattern").json()
    assert [each["id"] for each in found["data"]] == tests[::-1]
    assert shop.get("/v1/conversions", **wanted, signal="email.role").json()["data"] == []
    refused = shop.get("/v1/conversions", signal="email.unheard_of")
    assert (refused.status_code, refused.json()["fields"]) == (400, ["signal"])


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 501}, {"signal": "x"}, {"cursor": "x"}, {"status": "pending"}]
)
def test_what_the_queue_does_not_know_is_refused(shop, params):
    assert shop.get("/v1/review", **params).status_code == 400


def test_others_and_the_other_mode_see_nothing_of_it(shop, testing, stranger, program, affiliate, tests):
    for other in (testing, stranger):
        assert other.get("/v1/review").json() == {"data": [], "has_more": False}
        assert other.get("/v1/review", affiliate_id=affiliate["id"]).json()["data"] == []
        assert reports(other, program_id=program["id"]).keys() == reports(shop).keys()
        assert {each["hits"]["total"] for each in reports(other).values()} == {0}


# ── how useful a signal is ───────────────────────────────────────────────────────────────────────────────────────


def test_every_signal_is_told_in_the_catalogues_order(shop):
    found = shop.get("/v1/signals").json()["data"]
    assert [each["code"] for each in found] == [signal.code for signal in SIGNALS]
    assert {each["precision"] for each in found} == {None}


def test_decisions_make_its_precision(shop, tests):
    first = reports(shop)["email.test_pattern"]
    assert (first["hits"], first["undecided"], first["precision"], first["waiting"]) == (
        {"total": 8, "counted": 8, "shadow": 0, "evidence": 0}, 8, None, 8,
    )  # fmt: skip
    assert first["held"] == [usd(7992, "79.92")]
    for conversion_id, reason in zip(
        tests, ("fraud", "TEST", "duplicate customer", "not fraud", "we do not like it"), strict=False
    ):
        reject(shop, conversion_id, reason)
    shop.post(f"/v1/conversions/{tests[5]}/approve", {"reason": "not fraud"})
    shop.post(f"/v1/conversions/{tests[6]}/refund")
    found = reports(shop)["email.test_pattern"]
    names = ("decided", "confirmed", "cleared", "undecided", "waiting", "held")
    assert [found[name] for name in names] == [6, 3, 2, 2, 1, [usd(999, "9.99")]]
    expected = precision(3, 2)._asdict()
    assert found["precision"] == {name: round(share, 4) for name, share in expected.items()}
    shop.post(f"/v1/conversions/{tests[0]}/reopen")
    assert reports(shop)["email.test_pattern"]["confirmed"] == 2


def test_what_a_signed_report_displaced_is_not_decided(shop, program, affiliate):
    report = {"program_id": program["id"], "conversion_type": "purchase", "ref_code": "JOHN123"}
    report |= {"customer_email": "test1@shop.example.com", "revenue_amount": 99.99}
    for kind in ("publishable_key", "secret_key"):
        key = {"Authorization": f"Bearer {shop.keys[kind]}"}
        assert shop.post("/v1/track-conversion", report, headers=key).status_code == 200
    found = reports(shop)["email.test_pattern"]
    assert [found["hits"]["total"], found["decided"], found["undecided"]] == [2, 0, 1]
    (displaced,) = shop.get("/v1/conversions", status="rejected").json()["data"]
    shop.post(f"/v1/conversions/{displaced['id']}/reopen")
    assert reports(shop)["email.test_pattern"]["decided"] == 0


def test_hits_are_told_by_what_followed(shop, program, affiliate):
    path = f"/v1/programs/{program['id']}/policy"
    for number, overrides in enumerate(
        [{}, {"mode": "shadow"}, {"action": "evidence"}, {"action": "off"}, {"mode": "shadow"}]
    ):
        shop("PUT", path, {"signals": {"email.test_pattern": overrides}})
        shop.conversion(program, customer_email=f"test{number}@shop{number}.example.com")
    found = reports(shop)["email.test_pattern"]
    assert found["hits"] == {"total": 4, "counted": 1, "shadow": 2, "evidence": 1}
    # Only where it leads does it hold anything.
    assert (found["undecided"], found["waiting"], found["held"]) == (4, 1, [usd(999, "9.99")])


def test_what_is_held_adds_up_to_the_queue(shop, program, affiliate, tests):
    """A conversion that two signals fired on is counted once, for the one that leads."""
    shop.conversion(program, customer_email="qwerty+1@affiliate.example", customer_ip="81.2.69.160")
    found = reports(shop)
    assert sum(each["hits"]["total"] > 0 for each in found.values()) > 2
    held = sum(money["amount_minor"] for each in found.values() for money in each["held"])
    assert held == sum(each["commission"]["amount_minor"] for each in shop.get("/v1/review").json()["data"])
    assert sum(each["waiting"] for each in found.values()) == 9


@pytest.mark.parametrize(
    ("params", "hits"),
    [
        ({"created_from": "2026-09-21T14:13:20Z"}, 8),
        ({"created_from": "2026-09-21T14:13:20.001Z"}, 7),
        ({"created_to": "2026-09-21T14:13:20Z"}, 0),
        ({"created_to": "2026-09-21T14:13:20.001Z"}, 1),
        ({"created_from": "2026-09-21T14:14:20Z", "created_to": "2026-09-21T14:16:20Z"}, 2),
        ({"created_from": "1970-01-01T00:00:00Z", "created_to": "9999-12-31T23:59:59Z"}, 8),
        ({"program_id": "prog_unknown"}, 0),
    ],
)
def test_within_a_time_and_of_a_program(shop, tests, params, hits):
    assert reports(shop, **params)["email.test_pattern"]["hits"]["total"] == hits


def test_currencies_are_never_added(shop, program, affiliate, tests):
    other = shop.program(name="Other", currency="JPY")
    shop.affiliate(other)
    shop.conversion(other, customer_email="test9@example.com", revenue_amount=7000)
    found = reports(shop)["email.test_pattern"]
    assert found["held"] == [{"amount_minor": 700, "amount": "700", "currency": "JPY"}, usd(7992, "79.92")]
    assert reports(shop, program_id=other["id"])["email.test_pattern"]["waiting"] == 1
