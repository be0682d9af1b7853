"""Intake: leniently read, strictly understood."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.intake import MISSING_MESSAGE, Report, read_object, read_report
from refledger.core.refusals import Reason, Refusal

SIGNUP = {
    "program_id": "prog_abc123",
    "ref_code": "JOHN123",
    "customer_email": "customer@example.com",
    "conversion_type": "signup",
}
PURCHASE = SIGNUP | {"conversion_type": "purchase", "revenue_amount": Decimal("99.99")}
COUPON = {
    "program_id": "prog_abc123",
    "coupon_code": "SAVE20",
    "conversion_type": "purchase",
    "revenue_amount": Decimal("80.00"),
}


def read(given_fields, is_secret=False):
    return read_report(given_fields, is_secret)


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────


def nested(depth):
    """An object with so many levels, itself counted."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


UNREADABLE = {
    "nothing": b"",
    "not JSON": b"program_id=1",
    "an array": b"[]",
    "an array of objects": b"[{}]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "two objects": b"{}{}",
    "half an object": b'{"a":1',
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "duplicate keys": b'{"a":1,"a":1}',
    "duplicate keys below": b'{"a":{"b":1,"b":2}}',
    "duplicate keys by escape": b'{"a":1,"\\u0061":2}',
    "NUL": b'{"a":"\\u0000"}',
    "NUL in a name": b'{"\\u0000":1}',
    "raw NUL": b'{"a":"\x00"}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'{"a":"\\udfff"}',
    "lone surrogate in a name": b'{"\\ud800":1}',
    "lone surrogate below": b'{"a":["\\ud800"]}',
    "broken UTF-8": b'{"a":"\xff"}',
    "surrogates as UTF-8": b'{"a":"\xed\xa0\x80"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "an exponent beyond all bounds": b'{"a":1e99999999999999999999}',
    "six levels": nested(6),
    "thousands of levels": b'{"a":' + b"[" * 15_000 + b"]" * 0,
    "thousands of levels, closed": nested(8_000),
    "more than 16 kB": b'{"a":"' + b"x" * 16_377 + b'"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_not_one_json_object(body):
    refusal = read_object(body)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.INVALID_BODY
    assert refusal.message


READABLE = {
    "empty": (b"{}", {}),
    "five levels": (nested(5), {"a": [[[[]]]]}),
    "exactly 16 kB": (b'{"a":"' + b"x" * 16_376 + b'"}', {"a": "x" * 16_376}),
    "numbers are exact": (
        b'{"a":14.989999999999998,"b":1e308,"c":-0.0}',
        {"a": Decimal("14.989999999999998"), "b": Decimal("1e308"), "c": Decimal("-0.0")},
    ),
    "a pair of surrogates": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "whitespace around": (b" \r\n\t{} \n", {}),
}


@pytest.mark.parametrize(("body", "expected"), READABLE.values(), ids=READABLE.keys())
def test_what_is(body, expected):
    assert read_object(body) == expected


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(body):
    assert isinstance(read_object(body), (dict, Refusal))


# ── what is missing and what is wrong ────────────────────────────────────────────────────────────────────────────


def test_all_of_the_fields():
    report = read(
        PURCHASE
        | {
            "coupon_code": " SAVE20 ",
            "customer_ip": " 203.0.113.42 ",
            "customer_user_agent": "Mozilla/5.0...",
            "order_id": " 1001 ",
            "click_id": "clk_1",
            "currency": "usd",
            "customer_id": Decimal("7"),
            "metadata": {"plan": "pro", "seats": Decimal("3"), "trial": False, "note": None},
            "unknown": ["is", "ignored"],
        }
    )
    assert report == Report(
        program_id="prog_abc123",
        conversion_type="purchase",
        ref_code="JOHN123",
        coupon_code="SAVE20",
        email="customer@example.com",
        revenue=Decimal("99.99"),
        address="203.0.113.42",
        agent="Mozilla/5.0...",
        order_id="1001",
        click_id="clk_1",
        currency="usd",
        customer_id="7",
        metadata={"plan": "pro", "seats": "3", "trial": False, "note": None},
    )


MISSING = {
    "all": ({}, ("program_id", "conversion_type", "ref_code", "coupon_code"), Reason.MISSING_FIELDS),
    "program": (PURCHASE | {"program_id": None}, ("program_id",), Reason.MISSING_FIELDS),
    "type": (SIGNUP | {"conversion_type": ""}, ("conversion_type",), Reason.MISSING_FIELDS),
    "e-mail with a referral code": (
        SIGNUP | {"customer_email": ""},
        ("customer_email",),
        Reason.MISSING_FIELDS,
    ),
    "e-mail of blanks": (SIGNUP | {"customer_email": "  "}, ("customer_email",), Reason.MISSING_FIELDS),
    "revenue": (PURCHASE | {"revenue_amount": None}, ("revenue_amount",), Reason.MISSING_FIELDS),
    "e-mail and revenue": (
        PURCHASE | {"revenue_amount": "", "customer_email": None},
        ("customer_email", "revenue_amount"),
        Reason.MISSING_FIELDS,
    ),
    "both codes": (SIGNUP | {"ref_code": None}, ("ref_code", "coupon_code"), Reason.NO_REFERRAL),
    "both codes, Flask's cookie": (
        PURCHASE | {"ref_code": None, "coupon_code": ""},
        ("ref_code", "coupon_code"),
        Reason.NO_REFERRAL,
    ),
    "codes and revenue": (
        PURCHASE | {"ref_code": "", "revenue_amount": None},
        ("revenue_amount", "ref_code", "coupon_code"),
        Reason.MISSING_FIELDS,
    ),
    "missing comes before wrong": (
        PURCHASE | {"program_id": None, "order_id": []},
        ("program_id",),
        Reason.MISSING_FIELDS,
    ),
}


@pytest.mark.parametrize(("fields", "named", "reason"), MISSING.values(), ids=MISSING.keys())
def test_missing_fields_are_named(fields, named, reason):
    refusal = read(fields)
    assert (refusal.reason, refusal.fields, refusal.message) == (reason, named, MISSING_MESSAGE)


WRONG = [
    ("program_id", Decimal(1)),
    ("program_id", "x" * 201),
    ("conversion_type", "sale"),
    ("conversion_type", "Purchase"),
    ("conversion_type", True),
    ("conversion_type", ["signup"]),
    ("ref_code", Decimal(123)),
    ("ref_code", {}),
    ("ref_code", "x" * 201),
    ("coupon_code", []),
    ("coupon_code", False),
    ("customer_email", Decimal(0)),
    ("customer_email", ["a@b.example"]),
    ("customer_email", "x" * 1001),
    ("order_id", Decimal("1.5")),
    ("order_id", {}),
    ("order_id", True),
    ("order_id", "x" * 201),
    ("order_id", Decimal("1e30")),
    ("order_id", Decimal("1e9999999")),
    ("order_id", Decimal("-1e9999999")),
    ("currency", Decimal(1)),
    ("dry_run", "true"),
    ("dry_run", Decimal(1)),
    ("dry_run", True),  # without a secret key
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}-{value!r:.30}" for name, value in WRONG])
def test_a_wrong_required_field_is_named(name, value):
    refusal = read(PURCHASE | {name: value})
    assert refusal.reason is Reason.INVALID_FIELD
    assert refusal.fields == (name,)
    assert refusal.message.startswith(name)


def test_all_that_is_wrong_is_named_at_once():
    refusal = read(PURCHASE | {"ref_code": [], "customer_email": {}, "revenue_amount": Decimal(-1)})
    assert set(refusal.fields) == {"ref_code", "customer_email", "revenue_amount"}


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    "name", ["coupon_code", "customer_ip", "customer_user_agent", "order_id", "click_id", "currency",
             "customer_id", "metadata", "dry_run"],
)  # fmt: skip
def test_null_and_empty_are_absent(name, value):
    assert read(PURCHASE | {name: value}) == read(PURCHASE)


def test_a_bad_optional_field_costs_no_sale():
    bad = {
        "customer_ip": Decimal(7),
        "customer_user_agent": ["x"],
        "click_id": {},
        "customer_id": [],
        "metadata": "text",
    }
    report = read(PURCHASE | bad)
    assert isinstance(report, Report)
    assert (report.address, report.agent, report.click_id, report.customer_id, report.metadata) == (None,) * 5
    assert [warning.split()[0] for warning in sorted(report.warnings)] == sorted(bad)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({str(n): "x" for n in range(20)}, True),
        ({str(n): "x" for n in range(21)}, False),
        ({"a": {}}, False),
        ({"a": []}, False),
        ([], False),
        (Decimal(1), False),
    ],
)
def test_metadata_is_flat_and_small(value, kept):
    report = read(PURCHASE | {"metadata": value})
    assert (report.metadata is not None) == kept
    assert bool(report.warnings) != kept


def test_a_long_agent_is_cut():
    report = read(PURCHASE | {"customer_user_agent": "x" * 1025})
    assert report.agent == "x" * 1024 and report.warnings
    assert read(PURCHASE | {"customer_user_agent": "x" * 1024}).warnings == ()


def test_dry_run_needs_a_secret_key():
    assert read(PURCHASE | {"dry_run": True}, is_secret=True).dry_run is True
    assert read(PURCHASE | {"dry_run": False}).dry_run is False


# ── amounts ──────────────────────────────────────────────────────────────────────────────────────────────────────

AMOUNTS = [
    (Decimal("14.989999999999998"), "14.989999999999998"),
    ("14.989999999999998", "14.989999999999998"),
    (" 99.99 ", "99.99"),
    (Decimal("1E+2"), "100"),  # a number may have an exponent: that is JSON
    (Decimal("0"), "0"),
    (Decimal("-0.0"), "0"),
    ("0", "0"),
    (Decimal("1e30"), "1e30"),  # far above any program's maximum, which step 4 tells
    (Decimal("0." + "0" * 98 + "1"), "0." + "0" * 98 + "1"),
]


@pytest.mark.parametrize(("value", "expected"), AMOUNTS)
def test_amounts_are_exact(value, expected):
    assert read(PURCHASE | {"revenue_amount": value}).revenue == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    ["1e2", "1E2", "+5", "1,000.00", "1.000,00", "$5", "5 USD", ".5", "5.", "--5", "NaN", "Infinity", "-1",
     "٣", "0x10", "1_000", "9" * 61, Decimal("-0.01"), Decimal("1e308"), Decimal("1e9999999"),
     Decimal("1e-101"), Decimal("1." + "1" * 101), True, False, [], {}, [Decimal(1)]],
)  # fmt: skip
def test_what_is_no_amount(value):
    refusal = read(PURCHASE | {"revenue_amount": value})
    assert (refusal.reason, refusal.fields) == (Reason.INVALID_FIELD, ("revenue_amount",))


@pytest.mark.parametrize("value", [Decimal("99.99"), "nonsense", Decimal(-5), [], Decimal("1e308")])
def test_a_signup_ignores_the_amount(value):
    report = read(SIGNUP | {"revenue_amount": value})
    assert isinstance(report, Report) and report.revenue is None


# ── no input does harm ───────────────────────────────────────────────────────────────────────────────────────────

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.text(max_size=30),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.builds(lambda n, e: Decimal(f"{n}E{e}"), st.integers(), st.integers(-(10**12), 10**12)),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
FIELDS = ["program_id", "conversion_type", "ref_code", "coupon_code", "customer_email", "revenue_amount",
          "customer_ip", "customer_user_agent", "order_id", "click_id", "currency", "customer_id", "metadata",
          "dry_run"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), st.booleans())
def test_whatever_is_sent_is_read_or_refused(fields, is_secret):
    for given_fields in (fields, PURCHASE | fields):
        assert isinstance(read(given_fields, is_secret), (Report, Refusal))


def test_the_references_samples_are_read():
    for fields in (SIGNUP, PURCHASE, COUPON):
        body = json.dumps(fields, default=float).encode()
        assert isinstance(read(read_object(body)), Report)
