"""What is left of a report when what is personal has to go."""

import pytest

from refledger.core.personal import ADDRESS, MAILBOX, without, without_customer

REPORT = {
    "program_id": "prog_1",
    "conversion_type": "purchase",
    "ref_code": "JOHN123",
    "revenue_amount": "99.99",
    "order_id": "o1",
    "customer_email": "joe@example.com",
    "customer_ip": "203.0.113.42",
    "customer_user_agent": "Mozilla/5.0...",
    "customer_id": 7,
    "click_id": "click_1",
    "metadata": {"name": "Joe"},
    "name": "Joe",
}
NOBODYS = {
    name: REPORT[name] for name in ("program_id", "conversion_type", "ref_code", "revenue_amount", "order_id")
}


def less(*names):
    return {name: value for name, value in REPORT.items() if name not in names}


@pytest.mark.parametrize(
    ("name", "given", "left"),
    [
        (ADDRESS, REPORT, less("customer_ip", "name") | {"dropped": ["customer_ip"]}),
        (MAILBOX, REPORT, less("customer_email", "name") | {"dropped": ["customer_email"]}),
        (MAILBOX, {"ref_code": "A"}, {"ref_code": "A"}),
        (MAILBOX, {"customer_email": ""}, {}),
        (MAILBOX, {"customer_email": {"x": 1}}, {"dropped": ["customer_email"]}),
        (MAILBOX, {"dropped": ["customer_email"]}, {"dropped": ["customer_email"]}),
    ],
)
def test_one_goes(name, given, left):
    assert without(name, given) == left


def test_one_after_the_other():
    left = without(MAILBOX, without(ADDRESS, REPORT))
    assert left["dropped"] == ["customer_email", "customer_ip"] and without(ADDRESS, left) == left


def test_all_that_leads_to_the_customer_goes():
    gone = ["click_id", "customer_email", "customer_id", "customer_ip", "customer_user_agent", "metadata"]
    left = NOBODYS | {"dropped": gone}
    assert without_customer(REPORT) == left and without_customer(left) == left
