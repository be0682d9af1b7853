"""What is decided under held keys is as durable as what it rests on: its commit waits for replicas, like any other."""

import pytest
from psycopg import errors

from refledger.store.engine import Database, hold, is_unavailable

LOCKS_ALONE = "SELECT count(pg_advisory_xact_lock(k)) FROM unnest(CAST(%s AS bigint[])) AS k"
# A transaction without a number has written nothing, and PostgreSQL lets its commit pass without the replicas.
NUMBER = "SELECT pg_current_xact_id_if_assigned()"


@pytest.fixture
def database(postgresql_url):
    made = Database(postgresql_url)
    yield made
    made.close()


def test_whoever_holds_writes(database):
    with database.write() as connection:
        hold(connection, [2, 1])
        assert connection.exec_driver_sql(NUMBER).scalar() is not None


def test_the_locks_alone_write_nothing(database):
    """The negative control."""
    with database.write() as connection:
        connection.exec_driver_sql(LOCKS_ALONE, ([1, 2],))
        assert connection.exec_driver_sql(NUMBER).scalar() is None


def test_a_replica_that_does_not_lead_yet_is_out_of_reach():
    """What PostgreSQL says to the mark and to a row; `make prove-ha` meets both."""
    assert is_unavailable(errors.InternalError_("cannot assign TransactionIds during recovery"))
    assert is_unavailable(errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"))
    assert not is_unavailable(errors.InternalError_("cache lookup failed for relation 16384"))
