"""The house rules that a tool can check. Each checker is shown a bad sample too, so none passes blind."""

import ast
import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from refledger.store import schema

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "refledger"
LONGEST_FUNCTION, LONGEST_MODULE = 50, 400

# Which rooms a room may import from. `app` is imported by nobody.
ROOMS = {
    "core": {"core"},
    "store": {"store", "core"},
    "services": {"services", "store", "core", "settings"},
    "web": {"web", "services", "store", "core", "settings", "logs"},
    "cli": {"cli", "services", "store", "core", "settings", "logs"},
    "settings": {"settings"},
    "logs": {"logs"},
    "app": {"web", "services", "store", "core", "settings", "logs", "app"},
}
# Pure: they compute, they neither wait nor ask.
CORE_LIBRARIES = {"orjson", "email_validator", "disposable_email_domains", "ua_parser", "crawleruseragents"}
IMPURE = {
    "asyncio", "http", "logging", "os", "random", "secrets", "socket", "sqlite3", "subprocess", "threading",
    "time", "urllib.request", "uuid",
}  # fmt: skip
SQL_WORDS = {"text", "select", "insert", "update", "delete", "create_engine", "exec_driver_sql"}
# One word per thing: the word we do not use, and the one we do.
SYNONYMS = {
    "partner": "affiliate",
    "referrer_id": "affiliate_id",
    "lead_id": "customer_id",
    "sale_id": "order_id",
    "payout_request": "payout",
    "webhook_log": "delivery",
    "fraud_check": "signal",
    "rejection_code": "reason",
}
Problems = list[str]


def modules(*rooms):
    """The package's modules in these rooms, all of them where none is named."""
    found = [path for path in sorted(PACKAGE.rglob("*.py")) if not rooms or room_of(path) in rooms]
    return [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in found]


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_history(path):
    """Migrations are written once, table by table, and not read as code."""
    return "versions" in path.parts


def imported(tree):
    """Every module a source imports, `from a import b` as `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


# ── the checkers: a source, or a table, and what is wrong with it ─────────────────────────────────


def wrong_rooms(source: str, room: str) -> Problems:
    problems = []
    for name in imported(ast.parse(source)):
        if name.startswith("."):
            problems.append(f"relative import {name}")
        parts = name.split(".")
        if parts[0] == "refledger" and len(parts) > 1 and parts[1] not in ROOMS.get(room, set()):
            problems.append(f"{room} imports {name}")
    return [problem for problem in problems if problem != f"{room} imports refledger.__version__"]


def impure(source: str) -> Problems:
    """Clocks, randomness, input and output, frameworks: what core is told, never asks for."""
    tree = ast.parse(source)
    problems = [
        f"imports {name}"
        for name in imported(tree)
        if name.split(".")[0] not in {"refledger", *CORE_LIBRARIES} and not _is_pure_standard(name)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("open", "print", "input") or called.endswith((".now", ".today", ".utcnow")):
                problems.append(f"calls {called}")
    return problems


def _is_pure_standard(name: str) -> bool:
    return (
        name.split(".")[0] in sys.stdlib_module_names
        and name not in IMPURE
        and name.split(".")[0] not in IMPURE
    )


def reads_while_deciding(source: str) -> Problems:
    """Calls, inside a function, of a function that reads a file: that is done while importing."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    reads = re.compile(r"\.read_text|\.read_bytes|\bopen\(")
    readers = {each.name for each in functions if reads.search(ast.unparse(each))}
    return [
        f"{each.name} calls {node.func.id}"
        for each in functions
        for node in ast.walk(each)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in readers
    ]


def sql_outside_store(source: str) -> Problems:
    problems = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "sqlalchemy",
            "sqlite3",
            "psycopg",
        ):
            problems += [
                f"imports {name.name} from {node.module}" for name in node.names if name.name in SQL_WORDS
            ]
        if isinstance(node, ast.Import):
            problems += [
                f"imports {name.name}"
                for name in node.names
                if name.name in ("sqlite3", "psycopg", "sqlalchemy")
            ]
        if isinstance(node, ast.Attribute) and node.attr == "exec_driver_sql":
            problems.append("calls exec_driver_sql")
    return problems


def too_long(source: str) -> Problems:
    lines = source.count("\n")
    problems = [f"{lines} lines, at most {LONGEST_MODULE}"] if lines > LONGEST_MODULE else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > LONGEST_FUNCTION:
                problems.append(f"{node.name} has {length} lines, at most {LONGEST_FUNCTION}")
    return problems


def floats(source: str) -> Problems:
    """Money is whole numbers: no float is made or read where amounts are computed."""
    problems = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            problems.append(f"line {node.lineno}: {node.value}")
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
            problems.append(f"line {node.lineno}: float()")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            problems.append(f"line {node.lineno}: / divides into a float")
    return problems


def synonyms(source: str) -> Problems:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return [
        f"{name}: the word here is {right}"
        for name in sorted(names)
        for wrong, right in SYNONYMS.items()
        if re.search(rf"(^|_){wrong}s?(_|$)", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    ]


def merchant_does_not_lead(table: Table) -> Problems:
    """Columns that lead a primary key, a unique key or an index, other than the merchant."""
    keys = [
        (type(key).__name__, list(key.columns))
        for key in table.constraints
        if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)
    ] + [(index.name, list(index.columns)) for index in table.indexes]
    return [
        f"{table.name}: {name} is led by {columns[0].name}"
        for name, columns in keys
        if not columns or columns[0].name != "merchant_id"
    ]


def wrong_units(table: Table) -> Problems:
    """Times are `…_ms`, money `…_minor`: both whole numbers; nothing is stored as a float or a date."""
    problems = []
    for column in table.columns:
        kind = column.type.python_type
        if kind not in (str, int, bool):
            problems.append(f"{table.name}.{column.name} is {kind.__name__}")
        if column.name.endswith(("_ms", "_minor")) and kind is not int:
            problems.append(f"{table.name}.{column.name} is no whole number")
        if column.name.endswith(("_at", "_time", "_date", "_cents")):
            problems.append(f"{table.name}.{column.name}: times end in _ms, money in _minor")
    return problems


# ── the house, as it stands ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", modules(*ROOMS))
def test_rooms_import_one_direction(path):
    assert wrong_rooms(path.read_text(), room_of(path)) == []


def test_every_module_is_in_a_known_room():
    known = {*ROOMS, "__init__", "__main__"}
    assert sorted({room_of(path) for path in PACKAGE.rglob("*.py")} - known) == []


@pytest.mark.parametrize("path", modules("core"))
def test_core_is_pure(path):
    assert impure(path.read_text()) == []


@pytest.mark.parametrize("path", modules("core"))
def test_core_reads_its_data_files_at_import_only(path):
    assert reads_while_deciding(path.read_text()) == []


@pytest.mark.parametrize("path", modules("core", "services", "web", "cli", "app", "settings"))
def test_sql_stays_in_the_store(path):
    allowed = {"imports ArgumentError from sqlalchemy.exc"}
    assert set(sql_outside_store(path.read_text())) - allowed == set()


@pytest.mark.parametrize("path", modules())
def test_functions_fit_a_screen_and_modules_stay_small(path):
    if is_history(path):
        return
    assert too_long(path.read_text()) == []


@pytest.mark.parametrize("name", ["money", "commissions", "ledger"])
def test_money_is_whole_numbers(name):
    assert floats((PACKAGE / "core" / f"{name}.py").read_text()) == []


@pytest.mark.parametrize("path", modules())
def test_one_word_per_thing(path):
    assert synonyms(path.read_text()) == []


@pytest.mark.parametrize(
    "table", [t for t in schema.metadata.sorted_tables if t not in schema.ROUTING], ids=str
)
def test_the_merchant_leads(table):
    assert merchant_does_not_lead(table) == []


@pytest.mark.parametrize("table", schema.metadata.sorted_tables, ids=str)
def test_units_come_last_and_are_whole_numbers(table):
    assert wrong_units(table) == []


def test_routing_tables_hold_only_what_leads_to_a_merchant():
    names = {table.name: {column.name for column in table.columns} for table in schema.ROUTING}
    assert names["api_key_routes"] == {"key_hash", "merchant_id", "key_id"}
    assert names["slug_routes"] == {"slug", "merchant_id", "program_id"}


# ── the checkers see ──────────────────────────────────────────────────────────────────────────────

LONG_FUNCTION = "def long():\n" + "    a = 1\n" * 51


@pytest.mark.parametrize(
    ("checker", "bad"),
    [
        (lambda source: wrong_rooms(source, "core"), "from refledger.store import schema"),
        (lambda source: wrong_rooms(source, "store"), "import refledger.services.desk"),
        (lambda source: wrong_rooms(source, "store"), "from refledger import services"),
        (lambda source: wrong_rooms(source, "services"), "def f():\n    from refledger.web import errors"),
        (lambda source: wrong_rooms(source, "web"), "from refledger import app"),
        (lambda source: wrong_rooms(source, "web"), "from refledger.cli import main"),
        (lambda source: wrong_rooms(source, "core"), "from ..store import schema"),
        (impure, "import time"),
        (impure, "from time import time"),
        (impure, "import random"),
        (impure, "from os import urandom"),
        (impure, "import secrets"),
        (impure, "import uuid"),
        (impure, "import sqlalchemy"),
        (impure, "from starlette.requests import Request"),
        (impure, "from datetime import datetime\nnow = datetime.now()"),
        (impure, "print('hello')"),
        (reads_while_deciding, "def read(): return P.read_text()\ndef decide(): return read()"),
        (sql_outside_store, "from sqlalchemy import select"),
        (sql_outside_store, "from sqlalchemy.sql import text"),
        (sql_outside_store, "import sqlite3"),
        (sql_outside_store, "connection.exec_driver_sql('SELECT 1')"),
        (too_long, LONG_FUNCTION),
        (too_long, "a = 1\n" * 401),
        (floats, "fee = amount * 0.1"),
        (floats, "fee = float(amount)"),
        (floats, "fee = amount / 10"),
        (synonyms, "partner_id = 1"),
        (synonyms, "find(lead_id=lead_id)"),
        (synonyms, "def list_payout_requests(): pass"),
    ],
)
def test_a_checker_flags_what_is_wrong(checker, bad):
    assert checker(bad) != []


@pytest.mark.parametrize(
    ("checker", "good"),
    [
        (lambda source: wrong_rooms(source, "core"), "from refledger.core import money"),
        (impure, "import re\nfrom dataclasses import dataclass\nfrom refledger.core.ids import make_id"),
        (reads_while_deciding, "def read(): return P.read_text()\nTABLE = read()"),
        (sql_outside_store, "from refledger.store import programs"),
        (floats, "fee = amount * 10 // 100"),
        (synonyms, "leading = mislead = partnered = affiliate_id = 1"),
        (too_long, "def short():\n" + "    a = 1\n" * 49),
    ],
)
def test_a_checker_lets_pass_what_is_right(checker, good):
    assert checker(good) == []


def test_the_table_checkers_flag_what_is_wrong():
    bad = Table(
        "bad",
        MetaData(),
        Column("id", Text, primary_key=True),
        Column("merchant_id", Text),
        Column("code", Text, unique=True),
        Column("created_at", Text),
        Column("paid_minor", Text),
        Index("ix", "code", "merchant_id"),
    )
    assert len(merchant_does_not_lead(bad)) == 3
    assert len(wrong_units(bad)) == 2
