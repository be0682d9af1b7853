"""What SQLite does for what is asked often: nothing reads all of a merchant's entries to find a conversion's."""

import pytest
from sqlalchemy import select

from refledger.store import ledger, maturing, payouts, reports
from refledger.store.schema import entries

pytestmark = pytest.mark.only_on("sqlite", "PostgreSQL keeps statistics; what it does depends on them")
ALL = "SEARCH entries USING PRIMARY KEY (merchant_id=?)"
PLACE = {"merchant_id": "mer_x", "program_id": "prog_x", "mode": "live"}

ASKED = {
    "what is posted": lambda connection: ledger.posted(
        connection, [("mer_x", "conv_x"), ("mer_x", "conv_y")]
    ),
    "a conversion's entries": lambda connection: reports.entries_of(connection, "mer_x", "conv_x"),
    "what has matured of an affiliate": lambda connection: maturing.matured_minor(
        connection, "mer_x", "aff_x", "live", 1
    ),
    "what has matured of a program": lambda connection: payouts.matured(connection, PLACE, 1, 1),
    "what is ripe": lambda connection: payouts.ripe(connection, PLACE, 1),
}


def plan(database, ask):
    """How each statement finds its rows."""
    sent = []
    with database.read("mer_x") as connection:
        raw = connection.connection.driver_connection
        raw.set_trace_callback(sent.append)
        ask(connection)
        raw.set_trace_callback(None)
        told = [each for each in sent if each.startswith("SELECT")]
        assert told
        return [row[3] for each in told for row in raw.execute(f"EXPLAIN QUERY PLAN {each}")]


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_conversions_entries_are_found_by_the_conversion(database, ask):
    found = plan(database, ask)
    assert [each for each in found if "ix_entries_merchant_id_conversion_id" in each] and ALL not in found


def test_without_a_word_all_of_the_merchants_are_read(database):
    """The negative control."""
    wanted = select(entries).where(entries.c.merchant_id == "mer_x", entries.c.conversion_id == "conv_x")
    assert ALL in plan(database, lambda connection: connection.execute(wanted))
