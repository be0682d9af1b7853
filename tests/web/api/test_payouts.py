"""Payouts through the API: who is taken along, once; what becomes of it; the files."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from refledger.services import ledger_check
from tests.builders import rows

DAY_S = 86_400
GENEROUS = {"limits": {"hourly": 1000, "daily": 1000}}


@pytest.fixture
def program(shop):
    return shop.program(**GENEROUS, commission={"purchase": {"type": "percentage", "value": "10"}})


@pytest.fixture
def john(shop, program):
    return shop.affiliate(program, name="John")


@pytest.fixture
def mary(shop, program, clock):
    clock.advance_s(1)
    return shop.affiliate(program, name="Mary", email="mary@affiliate.example", ref_code="MARY123")


@pytest.fixture
def sold(shop, program, clock):
    """Sells through a code for so much; the conversion's id, approved."""
    customers = iter(range(10_000))

    def sell(revenue, ref_code="JOHN123", approve=True):
        clock.advance_s(1)
        email = f"somebody{next(customers)}z@example.com"
        conversion_id = shop.conversion(
            program, customer_email=email, ref_code=ref_code, revenue_amount=revenue
        )
        if approve:
            assert shop.post(f"/v1/conversions/{conversion_id}/approve").status_code == 200
        return conversion_id

    return sell


def pay_out(shop, program, **wanted):
    response = shop.post("/v1/payouts", {"program_id": program["id"], **wanted})
    assert response.status_code == (200 if wanted.get("preview") else 201), response.text
    return response.json()


def step(shop, payout, path, json=None):
    response = shop.post(f"/v1/payouts/{payout['id']}{path}", json)
    assert response.status_code == 200, response.text
    return response.json()


def refused(response):
    return response.status_code, response.json()["code"]


def accounts(shop, affiliate):
    found = shop.get(f"/v1/affiliates/{affiliate['id']}/balance").json()["accounts"]
    return {name: money["amount_minor"] for name, money in found.items() if money["amount_minor"]}


def amounts(payout):
    return {item["name"]: item["amount"]["amount"] for item in payout["items"]}


def statuses(payout):
    return {item["name"]: item["status"] for item in payout["items"]}


@pytest.fixture(autouse=True)
def balanced(request, database):
    """Whatever a test does, the ledger holds afterwards."""
    yield
    assert list(ledger_check.verify(database)) == []


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_takes_everybody_who_has_something_once(shop, program, john, mary, sold):
    sold(100), sold(50), sold(30, "MARY123"), sold(500, approve=False)
    payout = pay_out(shop, program)
    assert (amounts(payout), payout["amount"]["amount"]) == ({"John": "15.00", "Mary": "3.00"}, "18.00")
    assert (payout["status"], payout["preview"], payout["more_to_pay"]) == ("open", False, False)
    assert accounts(shop, john) == {"pending": 5000, "in_payout": 1500, "expense": -6500}
    assert refused(shop.post("/v1/payouts", {"program_id": program["id"]})) == (409, "nothing_to_pay")
    assert shop.get(f"/v1/payouts/{payout['id']}").json()["items"] == payout["items"]


def test_a_preview_says_the_same_and_writes_nothing(shop, program, john, sold):
    sold(100)
    before = accounts(shop, john)
    shown = pay_out(shop, program, preview=True)
    assert (shown["id"], shown["preview"], amounts(shown)) == (None, True, {"John": "10.00"})
    assert (accounts(shop, john), shop.get("/v1/payouts").json()["data"]) == (before, [])
    made = pay_out(shop, program)
    assert made.keys() == shown.keys() and amounts(made) == amounts(shown)
    assert pay_out(shop, program, preview=True)["items"] == []


@pytest.mark.parametrize(
    ("minimum", "expected"),
    [
        ("0", {"John": "10.00", "Mary": "9.99"}),
        ("10", {"John": "10.00"}),
        ("9.99", {"John": "10.00", "Mary": "9.99"}),
    ],
)
def test_only_who_reaches_the_minimum(shop, program, john, mary, sold, minimum, expected):
    sold(100), sold("99.90", "MARY123")
    assert amounts(pay_out(shop, program, minimum=minimum, preview=True)) == expected
    assert amounts(pay_out(shop, program, minimum=minimum)) == expected


def test_the_minimum_is_the_programs_unless_the_call_names_one(shop, program, john, mary, sold):
    assert shop.patch(f"/v1/programs/{program['id']}", {"payout_minimum": "10.00"}).status_code == 200
    sold(100), sold("99.90", "MARY123")
    assert pay_out(shop, program, preview=True)["minimum"]["amount"] == "10.00"
    assert amounts(pay_out(shop, program, minimum="5", preview=True)) == {"John": "10.00", "Mary": "9.99"}
    assert amounts(pay_out(shop, program)) == {"John": "10.00"}


@pytest.mark.parametrize(
    ("later", "expected"),
    # What came later fills what a refund took since then; without it, no more is paid than is there.
    [(1000, {"John": "14.00", "Mary": "7.00"}), (None, {"John": "10.00", "Mary": "7.00"})],
)
def test_what_was_payable_before_a_time_and_no_more_than_now(
    shop, program, john, mary, sold, clock, later, expected
):
    sold(100), sold(70, "MARY123")
    undone = sold(40)
    until = "2026-09-21T14:14:00Z"  # forty seconds after the clock's start
    clock.advance_s(3600)
    if later:
        sold(later)
    shop.post(f"/v1/conversions/{undone}/refund")
    assert amounts(pay_out(shop, program, until=until, preview=True)) == expected
    assert amounts(pay_out(shop, program, until=until)) == expected
    assert sum(accounts(shop, john).values()) == 0
    assert amounts(pay_out(shop, program, preview=True)) == ({"John": "96.00"} if later else {})


def test_who_is_below_zero_is_carried_until_it_is_earned_again(shop, program, john, mary, sold):
    """Sale, payout, refund, sale: the next payout nets it."""
    first = sold(100)
    step(shop, pay_out(shop, program), "/paid")
    assert shop.post(f"/v1/conversions/{first}/refund").status_code == 200
    assert accounts(shop, john) == {"payable": -1000, "paid": 1000}
    sold(60), sold(10, "MARY123")
    assert amounts(pay_out(shop, program)) == {"Mary": "1.00"}
    sold(70)
    assert amounts(pay_out(shop, program)) == {"John": "3.00"}


def test_a_refund_while_it_is_on_its_way_leaves_the_payout_as_it_is(shop, program, john, sold):
    payout_of = sold(100)
    payout = pay_out(shop, program)
    shop.post(f"/v1/conversions/{payout_of}/refund")
    assert accounts(shop, john) == {"payable": -1000, "in_payout": 1000}
    step(shop, payout, f"/items/{john['id']}/failed", {"reason": "account closed"})
    assert accounts(shop, john) == {}


# ── holds ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def held(shop, program):
    """Approved commissions are held for ten days after the sale."""
    assert shop.patch(f"/v1/programs/{program['id']}", {"hold_days": 10}).status_code == 200


def test_what_has_matured_is_paid_even_if_nobody_has_moved_it(shop, program, john, mary, held, sold, clock):
    sold(100)
    clock.advance_s(5 * DAY_S)
    sold(40), sold(70, "MARY123")
    assert pay_out(shop, program, preview=True)["items"] == []
    clock.advance_s(6 * DAY_S)
    assert accounts(shop, john) == {"held": 400, "payable": 1000, "expense": -1400}
    found = shop.get(f"/v1/affiliates/{john['id']}/balance").json()
    assert found["matured"]["amount"] == "10.00"  # of which no entry tells yet
    assert shop.get(f"/v1/affiliates/{john['id']}/statement").json()["closing"]["held"]["amount"] == "14.00"
    assert amounts(pay_out(shop, program, preview=True)) == {"John": "10.00"}
    assert amounts(pay_out(shop, program)) == {"John": "10.00"}
    assert accounts(shop, john) == {"held": 400, "in_payout": 1000, "expense": -1400}


def test_a_hold_ends_at_its_time_whenever_it_is_posted(shop, program, john, held, sold, clock):
    """Whether the moves were made before or are made now, the same was payable at that time."""
    sold(100), clock.advance_s(DAY_S), sold(40)
    clock.advance_s(30 * DAY_S)
    for until, expected in (("2026-10-01T00:00:00Z", {}), ("2026-10-02T00:00:00Z", {"John": "10.00"})):
        assert amounts(pay_out(shop, program, until=until, preview=True)) == expected
    sold(0.01)
    step(shop, pay_out(shop, program), "/cancel")  # which has moved both
    for until, expected in (("2026-10-01T00:00:00Z", {}), ("2026-10-02T00:00:00Z", {"John": "10.00"})):
        assert amounts(pay_out(shop, program, until=until, preview=True)) == expected


# ── several currencies ───────────────────────────────────────────────────────────────────────────────────────────


def test_programs_of_other_currencies_are_paid_apart(shop, program, john, sold):
    sold(100)
    yen = shop.program(name="Yen", currency="JPY", **GENEROUS)
    shop.affiliate(yen, email="ken@affiliate.example", ref_code="KEN1234", name="Ken")
    sale = shop.conversion(yen, ref_code="KEN1234", revenue_amount=5000, currency="JPY")
    shop.post(f"/v1/conversions/{sale}/approve")
    assert pay_out(shop, yen)["amount"] == {"amount_minor": 500, "amount": "500", "currency": "JPY"}
    assert amounts(pay_out(shop, program)) == {"John": "10.00"}
    found = shop.get("/v1/payouts", program_id=yen["id"]).json()["data"]
    assert [each["amount"]["currency"] for each in found] == ["JPY"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"program_id": "prog_x"},
        {"minimum": "1.001"},
        {"minimum": 5},
        {"until": "2026-09-21"},
        {"preview": 1},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(shop, program, wanted):
    body = wanted if not wanted or "program_id" in wanted else {"program_id": program["id"], **wanted}
    assert refused(shop.post("/v1/payouts", body)) == (400, "invalid_request")


def test_others_and_the_other_mode_see_nothing_of_it(shop, testing, stranger, program, john, sold):
    sold(100)
    for other in (testing, stranger):
        assert other.post("/v1/payouts", {"program_id": program["id"]}).status_code in (400, 409)
    payout = pay_out(shop, program)
    for other in (testing, stranger):
        assert other.get("/v1/payouts").json()["data"] == []
        for path in ("", "/csv"):
            assert other.get(f"/v1/payouts/{payout['id']}{path}").status_code == 404
        for path in ("/paid", "/cancel", f"/items/{john['id']}/paid"):
            assert other.post(f"/v1/payouts/{payout['id']}{path}").status_code == 404
    assert accounts(shop, john)["in_payout"] == 1000


def test_runs_at_the_same_moment_pay_once(shop, program, john, mary, sold):
    sold(100), sold(40, "MARY123")
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(shop.post, "/v1/payouts", {"program_id": program["id"]}) for _ in range(6)]
        codes = sorted(run.result().status_code for run in runs)
    assert codes == [201] + [409] * 5
    assert accounts(shop, john)["in_payout"] == 1000 and "payable" not in accounts(shop, john)


def test_a_repeated_call_makes_no_second_payout(shop, program, john, sold):
    sold(100)
    calls = [
        shop.post("/v1/payouts", {"program_id": program["id"]}, headers={"Idempotency-Key": "run-1"})
        for _ in "12"
    ]
    assert calls[0].content == calls[1].content and calls[1].headers["Idempotent-Replayed"] == "true"


# ── what becomes of it ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def payout(shop, program, john, mary, sold):
    sold(100), sold(40, "MARY123")
    return pay_out(shop, program)


def test_items_are_paid_and_fail_one_by_one(shop, payout, john, mary):
    after = step(shop, payout, f"/items/{john['id']}/paid", {"reference": "PP-1"})
    assert (after["status"], statuses(after)) == ("open", {"John": "paid", "Mary": "pending"})
    after = step(shop, payout, f"/items/{mary['id']}/failed", {"reason": "no such account"})
    assert (after["status"], statuses(after)) == ("completed", {"John": "paid", "Mary": "failed"})
    assert [(item["reference"], item["reason"]) for item in after["items"]] == [
        ("PP-1", None), (None, "no such account"),
    ]  # fmt: skip
    assert accounts(shop, john) == {"paid": 1000, "expense": -1000}
    assert accounts(shop, mary) == {"payable": 400, "expense": -400}
    assert after["amount"] == payout["amount"]


def test_what_failed_is_in_the_next_payout(shop, program, payout, mary):
    step(shop, payout, f"/items/{mary['id']}/failed", {"reason": "no such account"})
    assert amounts(pay_out(shop, program)) == {"Mary": "4.00"}


def test_all_are_paid_at_once(shop, payout):
    after = step(shop, payout, "/paid", {"reference": "batch 7"})
    assert (after["status"], set(statuses(after).values())) == ("completed", {"paid"})


@pytest.mark.parametrize(("first_paid", "status"), [(False, "cancelled"), (True, "completed")])
def test_a_cancelled_payout_gives_back_what_is_pending(shop, payout, john, mary, first_paid, status):
    if first_paid:
        step(shop, payout, f"/items/{john['id']}/paid")
    after = step(shop, payout, "/cancel", {"reason": "wrong account"})
    assert (after["status"], statuses(after)["Mary"]) == (status, "cancelled")
    assert accounts(shop, mary) == {"payable": 400, "expense": -400}
    assert accounts(shop, john).get("paid", 0) == (1000 if first_paid else 0)


@pytest.mark.parametrize("path", ["/paid", "/cancel", "/items/{john}/paid", "/items/{john}/failed"])
@pytest.mark.parametrize("before", ["/paid", "/cancel", "/items/{john}/failed"])
def test_what_is_done_is_done(shop, payout, john, mary, before, path):
    step(shop, payout, before.format(john=john["id"]), {"reason": "x"} if "failed" in before else None)
    if "{john}" in before:
        step(shop, payout, f"/items/{mary['id']}/paid")
    path = path.format(john=john["id"])
    answer = shop.post(f"/v1/payouts/{payout['id']}{path}", {"reason": "x"} if "failed" in path else None)
    assert refused(answer) == (409, "illegal_status")


def test_an_affiliate_who_is_not_in_it_is_not_found(shop, program, payout):
    other = shop.affiliate(program, email="x@affiliate.example", ref_code="OTHER12")
    assert shop.post(f"/v1/payouts/{payout['id']}/items/{other['id']}/paid").status_code == 404
    assert shop.post("/v1/payouts/pay_x/paid").status_code == 404


def test_steps_at_the_same_moment_count_once(shop, payout, john):
    path = f"/v1/payouts/{payout['id']}"
    with ThreadPoolExecutor(4) as pool:
        steps = [f"{path}/paid", f"{path}/cancel", f"{path}/items/{john['id']}/paid"]
        codes = [each.status_code for each in pool.map(shop.post, steps)]
    assert set(codes) <= {200, 409} and accounts(shop, john).get("in_payout", 0) == 0


def test_each_step_is_told_and_noted(shop, database_url, payout, john):
    step(shop, payout, f"/items/{john['id']}/paid", {"reference": "PP-1"})
    step(shop, payout, "/cancel")
    told = rows(database_url, "SELECT type FROM events WHERE subject_id = ? ORDER BY id", payout["id"])
    assert [each["type"] for each in told] == ["payout.created", "payout.paid", "payout.cancelled"]
    noted = shop.get("/v1/audit", subject_id=payout["id"]).json()["data"]
    assert [each["action"] for each in noted[::-1]] == ["payout.created", "payout.paid", "payout.cancelled"]


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def file_of(shop, payout, layout):
    response = shop.get(f"/v1/payouts/{payout['id']}/csv", layout=layout)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="{payout["id"]}-{layout}.csv"'
    return list(csv.reader(io.StringIO(response.content.decode("utf-8"))))


def test_each_layout_has_its_columns(shop, payout, john, mary):
    step(shop, payout, f"/items/{mary['id']}/paid", {"reference": "PP-2"})
    assert file_of(shop, payout, "generic") == [
        ["payout_id", "affiliate_id", "name", "email", "amount", "currency", "status", "reference", "reason"],
        [payout["id"], john["id"], "John", "john@affiliate.example", "10.00", "USD", "pending", "", ""],
        [payout["id"], mary["id"], "Mary", "mary@affiliate.example", "4.00", "USD", "paid", "PP-2", ""],
    ]
    # What was paid is in no file that pays.
    assert file_of(shop, payout, "paypal") == [
        ["john@affiliate.example", "10.00", "USD", john["id"], "Payout 2026-09-21", "PAYPAL"]
    ]
    assert file_of(shop, payout, "wise") == [
        [
            "name", "recipientEmail", "paymentReference", "receiverType", "amountCurrency", "amount",
            "sourceCurrency", "targetCurrency",
        ],
        ["John", "john@affiliate.example", "Payout 2026-09-21", "PERSON", "target", "10.00", "USD", "USD"],
    ]  # fmt: skip
    assert shop.get(f"/v1/payouts/{payout['id']}/csv", layout="swift").status_code == 400


@pytest.mark.parametrize(
    "name", ["=1+1", "+49", "-3", "@SUM(A1)", '=HYPERLINK("http://bad.example","x")', "Zoë, “Ltd”"]
)
@pytest.mark.parametrize("layout", ["generic", "wise"])
def test_no_cell_is_a_formula(shop, program, john, sold, name, layout):
    sold(100)
    payout = pay_out(shop, program)
    assert shop.patch(f"/v1/affiliates/{john['id']}", {"name": name}).status_code == 200
    cells = [cell for row in file_of(shop, payout, layout) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert (name if name[0] == "Z" else f"'{name}") in cells
