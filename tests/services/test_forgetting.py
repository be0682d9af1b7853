"""Who is forgotten is found nowhere any more, and every sum is what it was."""

import io
import json
import os
from urllib.parse import quote

import orjson
import pytest

from refledger.core import emails
from refledger.core.fraud.sentences import explain
from refledger.services import forgetting, housekeeping, replies, review
from refledger.services.export import export
from refledger.services.ledger_check import verify
from tests.builders import SIGNUP

DAY_MS = 86_400_000
ZELDA = "zelda.marker+77@private-zone.example"
VISITOR = {"customer_ip": "81.2.69.77", "customer_user_agent": "MarkerAgent/7.7"}
ABOUT = {"customer_id": "id-marker", "metadata": {"name": "Zelda Marker"}}
# Whatever of hers could be found; her mailbox's domain is evidence of a signal.
MARKERS = [ZELDA, "zelda", "private-zone", *VISITOR.values(), "id-marker", "Zelda Marker", "marker-page"]
OTHER = "other@example.com"


def exported(shop):
    output = io.BytesIO()
    export(shop.database, output, lambda words: None)
    return output.getvalue().decode()


def found_in(text, markers=MARKERS):
    return [marker for marker in markers if marker.lower() in text.lower()]


@pytest.fixture
def zelda(shop, counter, clock):
    """A customer with two conversions, a refused report of each kind, clicks, a confirmed fraud and a kept answer."""
    shop.click(address=VISITOR["customer_ip"], agent=VISITOR["customer_user_agent"])
    shop.run(
        "UPDATE clicks SET url = 'https://shop.example/marker-page', referrer = 'https://x.example/zelda'"
    )
    clock.advance_s(120)
    everything = VISITOR | ABOUT
    bought = counter.purchase(ZELDA, order_id="o1", **everything)
    signed = counter.signup(ZELDA, **everything)
    counter.signup(OTHER, customer_ip="203.0.113.9")
    clock.advance_s(3600)
    assert counter.signup(OTHER, customer_ip="81.2.69.9").status == 200
    assert counter.purchase(ZELDA, **everything).code == "duplicate"
    counter.report(ref_code="NOBODY", customer_email=ZELDA.upper(), **SIGNUP, **everything)
    counter.report(ref_code="JOHN123", email=ZELDA, **SIGNUP)
    with shop.database.write(shop.merchant_id) as connection:
        review.reject(connection, shop.tenant, signed.id, "fraud", clock(), os.urandom)
    customer = {"email": ZELDA, "customer_id": "id-marker"}
    answer = orjson.dumps({"id": bought.id, "customer": customer, "metadata": ABOUT["metadata"]})
    call = replies.repeatable(shop.tenant, "POST /v1/x", "k1", b"")
    replies.settle(shop.database, shop.tenant, call, clock, lambda *_: replies.Answer(200, answer), None)
    return bought


def forget(shop, clock, text=ZELDA, mode="live"):
    return forgetting.forget(shop.database, shop.tenant_in(mode), emails.parse(text), clock)


def sums(shop):
    return [
        shop.rows(f"SELECT * FROM {table} ORDER BY {order}")
        for table, order in (("entries", "cause, kind, line"), ("standings", "affiliate_id, mode"))
    ] + [
        shop.rows(
            "SELECT id, status, score, commission_minor, identity, order_key FROM conversions ORDER BY id"
        )
    ]


def test_nothing_of_hers_is_left_and_every_sum_is(shop, clock, zelda):
    before, was = sums(shop), exported(shop)
    assert sorted(found_in(was)) == sorted(MARKERS)  # the control
    done = forget(shop, clock)
    assert (done.conversions, done.attempts, done.clicks, done.answers) == (
        2,
        3,
        1,
        1,
    ) and done.sightings == 4
    assert found_in(exported(shop)) == []
    assert sums(shop) == before and list(verify(shop.database)) == []


def test_a_second_time_there_is_nothing_to_do(shop, clock, zelda):
    forget(shop, clock)
    was = exported(shop).splitlines()
    again = forget(shop, clock)
    assert again == forgetting.Forgotten(0, 0, 0, 0, 0, [], [])
    left = [line for line in exported(shop).splitlines() if '"table":"audit"' not in line]
    assert left == [line for line in was if '"table":"audit"' not in line]


def tied_to(shop):
    return json.loads(shop.one("SELECT record FROM attempts WHERE code = 'blocked'")["record"])["facts"][
        "click"
    ]


def test_a_click_behind_a_refused_report_goes_with_it(shop, counter, clock):
    """Tied by the house, or named by a report that was refused before anything was tied."""
    tied, named, other = (
        shop.click(address=f"198.51.100.{number}", agent=f"{name}-marker", at_ms=clock() - 60_000)
        for number, name in enumerate(("tied", "named", "other"))
    )
    shop.list_entry("block", "mailbox", ZELDA)
    assert counter.signup(ZELDA, click_id=tied).status == 400
    assert counter.report(ref_code="NOBODY", customer_email=ZELDA, click_id=named, **SIGNUP).status == 404
    assert tied_to(shop)["id"] == tied  # the control
    assert forget(shop, clock).clicks == 2
    assert found_in(exported(shop), ["tied-marker", "named-marker", "other-marker"]) == ["other-marker"]
    for row in shop.rows("SELECT record, input FROM attempts"):
        assert found_in(row["record"] + row["input"], [tied, named]) == []
    assert tied_to(shop)["tie"] == "click_id"
    assert shop.one("SELECT agent FROM clicks WHERE id = ?", other)["agent"] == "other-marker"


@pytest.mark.parametrize("field", ["ref_code", "coupon_code"])
def test_an_address_in_another_field_of_a_strangers_report_goes_alone(shop, counter, clock, field):
    code = {"ref_code": "NOBODY"} | {field: ZELDA}
    counter.report(customer_email=OTHER, order_id="o9", **code, **SIGNUP)
    assert ZELDA in exported(shop)  # the control
    key = shop.one("SELECT email_key FROM attempts")
    assert forget(shop, clock).attempts == 1
    assert found_in(exported(shop)) == []
    given = json.loads(shop.one("SELECT input FROM attempts")["input"])
    assert (given["customer_email"], given["order_id"], given["dropped"]) == (OTHER, "o9", [field])
    assert shop.one("SELECT email_key FROM attempts") == key
    assert forget(shop, clock).attempts == 0


@pytest.mark.parametrize("table", ["clicks", "automated_clicks"])
@pytest.mark.parametrize("column", ["url", "referrer", "sub_id"])
@pytest.mark.parametrize(
    "text",
    [
        ZELDA,
        f"https://x.example/?to={ZELDA.upper()}&n=1",
        f"/?{quote(ZELDA)}",
        f"mailto%3A{quote(ZELDA, '')}",
    ],
)
def test_clicks_that_spell_an_address_are_blanked(shop, counter, clock, table, column, text):
    theirs, other = (shop.click(address=f"198.51.100.{number}", agent=f"agent-{number}") for number in (1, 2))
    if table == "automated_clicks":
        shop.run("INSERT INTO automated_clicks SELECT clicks.*, 'agent' FROM clicks")
        shop.run("DELETE FROM clicks")
    shop.run(f"UPDATE {table} SET {column} = ?, agent = 'MarkerAgent/7.7' WHERE id = ?", text, theirs)
    shop.run(f"UPDATE {table} SET {column} = ? WHERE id = ?", f"https://x.example/?to=not.{ZELDA}", other)
    assert forget(shop, clock).clicks == 1
    assert shop.one(f"SELECT {column} AS text FROM {table} WHERE id = ?", theirs)["text"] is None
    assert shop.one(f"SELECT address, agent FROM {table} WHERE id = ?", theirs) == {
        "address": None,
        "agent": None,
    }
    assert shop.one(f"SELECT agent FROM {table} WHERE id = ?", other)["agent"] == "agent-2"
    assert forget(shop, clock).clicks == 0


def test_a_code_that_spells_her_address_goes_from_her_record(shop, counter, clock):
    assert counter.signup(ZELDA, coupon_code=ZELDA).status == 200
    assert ZELDA in shop.one("SELECT record FROM decisions")["record"]  # the control
    forget(shop, clock)
    assert found_in(exported(shop)) == []


def test_conversions_of_others_that_spell_an_address_lose_where_they_do(shop, counter, clock):
    by_id = counter.purchase(OTHER, customer_id=ZELDA, order_id="o1")
    by_words = counter.purchase("third@example.com", metadata={"given by": f"<{ZELDA}>"}, order_id="o2")
    clock.advance_s(86_400)
    whole = counter.purchase("fourth@example.com", customer_id=f"x{ZELDA}", metadata={"a": 1}, order_id="o3")
    assert forget(shop, clock).conversions == 2
    for found in (by_id, by_words):
        row = shop.one("SELECT email, customer_id, metadata FROM conversions WHERE id = ?", found.id)
        assert row["email"] in (OTHER, "third@example.com")
        assert (row["customer_id"], row["metadata"]) == (None, None)
    assert (
        shop.one("SELECT customer_id FROM conversions WHERE id = ?", whole.id)["customer_id"] == f"x{ZELDA}"
    )
    assert forget(shop, clock).conversions == 0


def test_what_comes_while_she_is_looked_for_goes_too(shop, clock, request):
    """Between the looking, which finds nothing, and the erasing."""
    with shop.database.read(shop.merchant_id) as connection:
        now_ms = shop.database.now_ms(connection, clock())
        traces = forgetting.find(connection, shop.tenant, emails.parse(ZELDA), now_ms)
    request.getfixturevalue("zelda")
    assert len(found_in(exported(shop))) == len(MARKERS)
    with shop.database.write(shop.merchant_id) as connection:
        done = forgetting.erase(connection, shop.tenant, traces, clock(), os.urandom)
    assert (done.conversions, done.attempts, done.clicks, done.answers, done.sightings) == (2, 3, 1, 1, 4)
    assert found_in(exported(shop)) == []


def test_the_audit_says_so_without_saying_who(shop, clock, zelda):
    forget(shop, clock)
    line = shop.one("SELECT * FROM audit WHERE action = 'customer.forgotten'")
    assert json.loads(line["changes"])["conversions"] == [None, 2] and found_in(json.dumps(line)) == []


def test_nobody_else_is_touched(shop, clock, zelda):
    others = "SELECT * FROM conversions WHERE email = ?"
    before = shop.rows(others, OTHER)
    assert forget(shop, clock, "elda.marker+77@private-zone.example").attempts == 0
    assert forget(shop, clock, mode="test").conversions == 0
    forget(shop, clock)
    assert shop.rows(others, OTHER) == before and len(before) == 1


def test_she_may_come_again_as_a_stranger(shop, counter, clock, zelda):
    assert counter.purchase(ZELDA).code == "duplicate"
    forget(shop, clock)
    clock.now_ms += DAY_MS
    assert (
        counter.purchase(ZELDA, order_id="o1").code == "duplicate"
    )  # it is the shop's order, and is paid once
    came = counter.purchase(ZELDA, customer_ip=VISITOR["customer_ip"])
    record = json.loads(shop.one("SELECT record FROM decisions WHERE conversion_id = ?", came.id)["record"])
    facts = record["facts"]
    assert (facts["known_customer"], facts["mailbox_spellings"], "click" in facts) == (False, 0, False)
    assert set(facts["sightings"].values()) <= {0}
    history = [each["code"] for each in record["fraud"]["fired"] if each["code"].startswith("history.")]
    assert history == []


def test_decisions_keep_what_they_were_decided_by(shop, clock, zelda):
    def fired():
        rows = shop.rows("SELECT record FROM decisions ORDER BY conversion_id")
        records = [json.loads(row["record"]) for row in rows]
        told = ("code", "action", "mode", "points", "counted", "level")
        return records, [[{n: f.get(n) for n in told} for f in each["fraud"]["fired"]] for each in records]

    _, before = fired()
    forget(shop, clock)
    records, after = fired()
    assert after == before and any(before)
    assert all(explain(each["fraud"]) for each in records if each["fraud"]["fired"])


def test_what_the_merchant_set_up_is_told_and_left(shop, clock, zelda):
    entry = shop.list_entry("block", "mailbox", "Zelda.Marker+1@private-zone.example")
    mary = shop.make_affiliate("ZELDA", email=ZELDA)
    done = forget(shop, clock)
    assert (done.list_entries, done.affiliates) == ([entry], [mary])
    assert shop.one("SELECT email FROM affiliates WHERE id = ?", mary)["email"] == ZELDA


def test_a_decision_can_still_be_changed(shop, clock, zelda):
    forget(shop, clock)
    rejected = shop.one("SELECT id FROM conversions WHERE status = 'rejected'")["id"]
    with shop.database.write(shop.merchant_id) as connection:
        review.reopen(connection, shop.tenant, rejected, None, clock(), os.urandom)
        review.approve(connection, shop.tenant, zelda.id, None, clock(), os.urandom)
    assert list(verify(shop.database)) == []


def test_after_its_time_no_address_and_no_mailbox_is_left(shop, clock, zelda):
    """Without anybody's asking: what stays is what the merchant calls their customers."""
    clock.now_ms += 181 * DAY_MS
    housekeeping.Housekeeping(shop.database, clock).forget()
    text = exported(shop)
    assert found_in(text, [ZELDA, VISITOR["customer_ip"], "marker-page"]) == []
    assert found_in(text, ["id-marker"]) == ["id-marker"]
    done = forget(shop, clock)
    assert (done.conversions, done.answers) == (2, 1) and found_in(exported(shop)) == []
