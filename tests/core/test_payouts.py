"""What a payout takes, where its items lead, and the files."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refledger.core.payouts import LAYOUTS, account_after, amount_minor, status_of, write_file
from refledger.core.refusals import Reason, Refusal


@pytest.mark.parametrize(
    ("now", "before", "minimum", "expected"),
    [
        (1000, 1000, 0, 1000),
        (1000, 400, 0, 400),  # the rest came later
        (300, 1000, 0, 300),  # the rest was taken back since
        (1000, 1000, 1000, 1000),
        (1000, 999, 1000, 0),
        (0, 0, 0, 0),
        (-5, 1000, 0, 0),
        (1000, -5, 0, 0),
    ],
)
def test_what_is_paid(now, before, minimum, expected):
    assert amount_minor(now, before, minimum) == expected


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(0, 1000))
def test_never_more_than_there_is_and_never_less_than_the_minimum(now, before, minimum):
    amount = amount_minor(now, before, minimum)
    assert amount == 0 or minimum <= amount == min(now, before) > 0


@pytest.mark.parametrize(
    ("step", "account"), [("paid", "paid"), ("failed", "payable"), ("cancelled", "payable")]
)
def test_only_what_is_pending_goes_on(step, account):
    assert account_after(step, "pending") == account
    for status in ("paid", "failed", "cancelled"):
        refusal = account_after(step, status)
        assert isinstance(refusal, Refusal) and refusal.reason is Reason.ILLEGAL_STATUS
        assert refusal.detail == {"from": status, "to": step}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["pending", "paid"], "open"),
        (["paid", "paid"], "completed"),
        (["failed"], "completed"),
        (["paid", "cancelled"], "completed"),
        (["cancelled", "cancelled"], "cancelled"),
        (["failed", "cancelled"], "cancelled"),
    ],
)
def test_a_payout_is_what_its_items_are(items, expected):
    assert status_of(items) == expected


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(CELLS, CELLS, st.sampled_from(LAYOUTS))
def test_whatever_a_cell_holds_it_is_no_formula_and_stays_in_its_cell(name, email, layout):
    item = {
        "payout_id": "pay_1", "affiliate_id": "aff_1", "name": name, "email": email, "amount_minor": 999,
        "status": "pending", "reference": None, "reason": None,
    }  # fmt: skip
    written = write_file(layout, {"currency": "JPY"}, [item], "2026-01-31")
    sheet = list(csv.reader(io.StringIO(written, newline="")))
    assert len(sheet) == (1 if layout == "paypal" else 2) and len({len(row) for row in sheet}) == 1
    cells = sheet[-1]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "999" in cells and email in [cell.removeprefix("'") for cell in cells] + cells
