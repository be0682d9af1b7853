"""Idempotency keys: the first answer again, byte for byte, for 400 days."""

import pytest

from tests.builders import PURCHASE, Counter

DAY_MS = 86_400_000
FIELDS = {"ref_code": "JOHN123", "customer_email": "customer@example.com", **PURCHASE}


def test_the_same_call_gets_the_same_bytes(shop, counter):
    first = counter.purchase(idempotency_key="k1")
    second = counter.purchase(idempotency_key="k1")
    assert (first.status, first.answer.replayed) == (200, False)
    assert (second.status, second.bytes, second.answer.replayed) == (200, first.bytes, True)
    assert len(shop.rows("SELECT id FROM conversions")) == 1


def test_without_the_key_it_is_a_duplicate(counter):
    counter.purchase(idempotency_key="k1")
    assert counter.purchase().status == 409


def test_a_duplicate_is_remembered_too(shop, counter):
    first = counter.purchase()
    refused = counter.purchase(idempotency_key="k1")
    assert refused.status == 409
    shop.decide(first.id, "rejected")  # the identity is free now, the answer stays
    assert counter.purchase(idempotency_key="k1").bytes == refused.bytes


def test_another_body_is_refused_and_changes_nothing(shop, counter):
    first = counter.purchase(idempotency_key="k1")
    other = counter.purchase("b@example.com", idempotency_key="k1")
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert counter.purchase(idempotency_key="k1").bytes == first.bytes
    assert len(shop.rows("SELECT id FROM conversions")) == 1


@pytest.mark.parametrize("fields", [{"ref_code": "NOBODY"}, {"customer_email": "a@tempmail.com"}])
def test_a_passing_no_is_not_remembered(shop, counter, fields):
    refused = counter.report(idempotency_key="k1", **FIELDS | fields)
    assert refused.status in (400, 404)
    assert shop.rows("SELECT * FROM idempotency") == []
    assert counter.purchase(idempotency_key="k1").status == 200


def test_a_full_limit_is_not_remembered(counter, clock):
    for name in "ab":
        counter.signup(f"{name}@example.com")
    assert counter.purchase(idempotency_key="k1").status == 429
    clock.advance_s(3600)
    assert counter.purchase(idempotency_key="k1").status == 200


def test_what_is_refused_while_reading_is_still_answered_from_memory(counter):
    """A key that was used is used, whatever comes with it."""
    counter.purchase(idempotency_key="k1")
    assert counter.report(idempotency_key="k1", **FIELDS | {"customer_email": None}).status == 422


def test_scopes_are_apart(shop, counter):
    keys = [shop.keys[name] for name in
            ("publishable_key", "secret_key", "test_publishable_key", "test_secret_key")]  # fmt: skip
    emails = [f"{name}@example.com" for name in "abcd"]
    pairs = list(zip(keys, emails, strict=True))
    replies = [counter.purchase(email, key=key, idempotency_key="k1") for key, email in pairs]
    assert [reply.status for reply in replies] == [200] * 4
    assert [reply.answer.replayed for reply in replies] == [False] * 4


def test_merchants_are_apart(shop, counter, clock):
    other = type(shop)(shop.settings, clock)
    try:
        assert counter.purchase(idempotency_key="k1").status == 200
        reply = Counter(other).purchase(idempotency_key="k1")
        assert (reply.status, reply.answer.replayed) == (200, False)
    finally:
        other.close()


def test_another_key_of_the_same_kind_replays(shop, counter):
    """Keys are rotated; a retry after it is a retry still."""
    from refledger.services.merchants import create_key

    first = counter.purchase(idempotency_key="k1", secret=True)
    new = create_key(shop.database, shop.secret, shop.merchant_id, "secret", "live", shop.clock())["key"]
    body = first.answer
    claim = counter.claim(idempotency_key="k1", secret=True, **FIELDS)
    rotated = counter.claim(idempotency_key="k1", key=new, **FIELDS)
    rotated.body_key = claim.body_key  # as Bearer, the key is no part of the body
    assert counter.settle(rotated)[0].bytes == body.body


@pytest.mark.parametrize(("age_ms", "replayed"), [(400 * DAY_MS - 1, True), (400 * DAY_MS, False)])
def test_for_four_hundred_days(counter, clock, age_ms, replayed):
    first = counter.purchase(idempotency_key="k1")
    clock.now_ms += age_ms
    again = counter.purchase(idempotency_key="k1")
    assert again.answer.replayed == replayed
    if replayed:
        assert again.bytes == first.bytes
        return
    assert again.status == 409  # forgotten, but the customer is not
    assert counter.purchase(idempotency_key="k1").bytes == again.bytes  # and the new answer is remembered


def test_retries_in_one_group_wait_and_replay(shop, counter):
    claims = [counter.claim(idempotency_key="k1", **FIELDS) for _ in range(8)]
    replies = counter.settle(*claims)
    assert len({reply.bytes for reply in replies}) == 1
    assert sorted(reply.answer.replayed for reply in replies) == [False] + [True] * 7
    assert len(shop.rows("SELECT id FROM conversions")) == 1


def test_a_restart_forgets_nothing(shop, counter):
    first = counter.purchase(idempotency_key="k1")
    assert Counter(shop).purchase(idempotency_key="k1").bytes == first.bytes
