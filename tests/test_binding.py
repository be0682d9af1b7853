"""Every statement that the suite saw the code send names whose rows it means; the last tests of all (`recorder.py`)."""

import ast

import pytest
from sqlalchemy import and_, bindparam, delete, func, literal, or_, select, text, tuple_, union_all, update
from sqlalchemy import insert as into

from refledger.store.engine import Database
from refledger.store.schema import api_key_routes, api_keys, clicks, conversions, entries, programs
from refledger.store.statements import Query, item, rows_of
from tests import recorder
from tests.binding import NAMED, unbound
from tests.test_house import PACKAGE

# What is about the whole installation, by the module or the function that asks, and why it may.
WHOLE = {
    "store.copying": "a copy takes every row along",
    "store.dump": "an export holds every row",
    "store.migrations": "tables are made for all",
    "store.proof": "verify-ledger reads everything there is",
    "store.diagnostics.latest_ms": "the doctor: whether a clock is behind anybody's conversions",
    "store.diagnostics.first_key_ms": "the doctor: whether the secret is older than every key",
    "store.diagnostics.merchants_with_keys": "the doctor looks at each merchant",
    "store.diagnostics.programs_of": "the doctor looks at each program",
    "store.housekeeping.merchant_ids": "housekeeping goes from merchant to merchant",
    "store.merchants.all_merchants": "init and keys: which merchants there are",
    "store.merchants.find_keys": "keys revoke: the command line names a key by its id alone",
}


def sent():
    """(place, the tables that it leaves open, the statement), of everything noted that the package sent."""
    noted = [(code, query.statement, "") for query, code in recorder.queries]
    noted += [
        (code, into(each.table).values(dict.fromkeys(each.columns)), "") for each, code in recorder.inserts
    ]
    noted += [(code, statement, words) for (words, code), statement in recorder.texts.items()]
    for code, statement, words in noted:
        place = recorder.place(code)
        if place:
            yield place, unbound(statement, words), statement


def exception_for(place):
    return next((each for each in WHOLE if place == each or place.startswith(f"{each}.")), None)


def test_every_statement_binds_its_merchant():
    left_open = {(place, *tables) for place, tables, _ in sent() if tables and exception_for(place) is None}
    assert left_open == set()


def test_every_exception_is_needed(request):
    """What binds its merchant by now, or is gone, is no exception any more. After the whole suite alone."""
    config = request.config
    if (
        config.option.keyword
        or config.option.markexpr != "not prove"
        or config.args != config.getini("testpaths")
    ):
        pytest.skip("only a part of the suite was run")
    assert len({place for place, *_ in sent()}) > 60  # it did hear
    assert {exception_for(place) for place, tables, _ in sent() if tables} == set(WHOLE)


# ── what goes around both ways of sending ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("module", sorted(path.name for path in (PACKAGE / "store").glob("*.py")))
def test_the_driver_itself_is_handed_no_table(module):
    """Where the driver is called directly nobody listens; but in `statements`, which is listened to as a whole."""
    source = (PACKAGE / "store" / module).read_text()
    if module == "statements.py" or ".driver_connection" not in source:
        return
    constants = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    assert [each for each in constants if isinstance(each, str) and NAMED.search(each)] == []


def test_the_driver_is_called_in_the_store_alone():
    direct = [path for path in PACKAGE.rglob("*.py") if ".driver_connection" in path.read_text()]
    assert {path.parent.name for path in direct} == {"store"}


# ── the judge is judged ──────────────────────────────────────────────────────────────────────────────────────────

_rows = rows_of("rows")
_own = api_key_routes.c.merchant_id
_other = clicks.alias("other")
_at_most = select(func.max(_other.c.at_ms))
_of = {table: table.c.merchant_id == "m" for table in (conversions, entries, clicks)}
_all = select(conversions.c.merchant_id, conversions.c.id)
_mine = _all.where(_of[conversions])
_cte = _mine.cte("mine")
_pairs = select(item(_rows, 0), item(_rows, 1)).select_from(_rows)
_same = _other.c.merchant_id == clicks.c.merchant_id
_name = select(programs.c.name).scalar_subquery()
_both = and_(entries.c.merchant_id == conversions.c.merchant_id, entries.c.conversion_id == conversions.c.id)
_with_entries = select(conversions, entries.c.line).select_from(conversions.outerjoin(entries, _both))

BOUND = [
    select(conversions).where(conversions.c.merchant_id == bindparam("merchant_id")),
    select(conversions.c.id).select_from(_rows.join(conversions, conversions.c.merchant_id == item(_rows, 0))),
    select(api_keys).where(api_key_routes.c.key_hash == "h", api_keys.c.merchant_id == _own),
    _with_entries.where(_of[conversions]),
    select(conversions).outerjoin(entries, _both).where(_of[conversions]),
    select(func.count()).select_from(_mine.subquery()),
    select(entries).join(_cte, entries.c.merchant_id == _cte.c.merchant_id),
    select(clicks.c.id, _at_most.where(_same).scalar_subquery()).where(_of[clicks]),
    delete(entries).where(tuple_(entries.c.merchant_id, entries.c.line).in_(_pairs)),
    update(conversions).where(conversions.c.merchant_id == item(_rows, 0)).values(status=item(_rows, 1)),
    into(conversions).from_select(["merchant_id", "id"], _mine),
    into(conversions).values(merchant_id="m", id="c"),
    union_all(_mine, _mine),
    select(api_key_routes),
    select(literal(1)),
    text("SELECT 1 FROM api_key_routes"),
]  # fmt: skip
OPEN = [
    (select(conversions), ["conversions"]),
    (select(conversions.c.id), ["conversions"]),
    (select(func.count()).select_from(conversions), ["conversions"]),
    (select(conversions).where(conversions.c.id == "c"), ["conversions"]),
    (select(conversions).where(conversions.c.merchant_id != "m"), ["conversions"]),
    (select(conversions).where(or_(conversions.c.merchant_id == "m", conversions.c.id == "c")), ["conversions"]),
    (select(conversions).where(~(conversions.c.merchant_id == "m")), ["conversions"]),
    (select(conversions, programs).where(conversions.c.merchant_id == "m"), ["programs"]),
    (select(conversions, entries).where(_both), ["conversions", "entries"]),
    (select(conversions).select_from(_rows.join(conversions, conversions.c.id == item(_rows, 0))), ["conversions"]),
    (select(conversions).outerjoin(entries, and_(_both, _of[entries])), ["conversions"]),
    (select(func.count()).select_from(_all.subquery()), ["conversions"]),
    (select(entries).where(_of[entries], entries.c.conversion_id.in_(select(conversions.c.id))), ["conversions"]),
    (select(entries).where(_of[entries], select(conversions.c.id).exists()), ["conversions"]),
    (select(entries).where(entries.c.merchant_id.in_(select(conversions.c.merchant_id))), ["entries", "conversions"]),
    (select(clicks.c.id, _at_most.scalar_subquery()).where(_of[clicks]), ["clicks"]),
    (select(clicks.c.id).where(_of[clicks]).order_by(_at_most.scalar_subquery()), ["clicks"]),
    (delete(entries).where(entries.c.line == 1), ["entries"]),
    (delete(entries), ["entries"]),
    (update(conversions).where(conversions.c.id == item(_rows, 0)).values(status="x"), ["conversions"]),
    (update(conversions).where(_of[conversions]).values(status=_name), ["programs"]),
    (into(conversions).from_select(["merchant_id", "id"], _all), ["conversions"]),
    (into(conversions).values(id="c"), ["conversions"]),
    (union_all(_mine, _all), ["conversions"]),
    (text("UPDATE conversions SET status = 'x' WHERE merchant_id = 'm'"), ["conversions"]),
    ("SELECT count(*) FROM entries", ["entries"]),
]  # fmt: skip


@pytest.mark.parametrize("statement", BOUND)
def test_what_is_bound(statement):
    assert unbound(statement) == []


@pytest.mark.parametrize(("statement", "tables"), OPEN)
def test_what_is_left_open(statement, tables):
    """The negative control."""
    assert sorted(unbound(statement)) == sorted(tables)


STRAY = """
def by_query(connection):
    query.rows(connection)
def by_sqlalchemy(connection):
    connection.execute(statement)
def by_text(connection):
    connection.exec_driver_sql("SELECT id FROM conversions")
"""


def test_whatever_the_package_sends_is_heard(database_url):
    """The negative control of the recorder: as if a module of the store had asked for everybody's rows."""
    stray = {"query": Query(select(conversions.c.id)), "statement": select(conversions)}
    exec(compile(STRAY, str(PACKAGE / "store" / "stray.py"), "exec"), stray)
    database = Database(database_url)
    with database.read() as connection:
        for name in ("by_query", "by_sqlalchemy", "by_text"):
            stray[name](connection)
        connection.execute(select(entries))  # a test may
    database.close()
    heard = {place: tables for place, tables, _ in sent() if place.startswith("store.stray")}
    for noted in (recorder.queries, recorder.inserts, recorder.texts):
        for key in [key for key in noted if recorder.place(key[1]).startswith("store.stray")]:
            del noted[key]
    assert heard == {
        f"store.stray.{name}": ["conversions"] for name in ("by_query", "by_sqlalchemy", "by_text")
    }
