"""PostgreSQL without us: pgbench inserts the rows that conversions leave, with keys as random as ours.

Two conversions that the service wrote, one with either kind of key, are made into scripts: ids, keys, times and
affiliates are new each time, everything else is as it was written, so that every row is as wide. Each client has
affiliates of its own, so that none waits for another's.
"""

import re
import subprocess
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import psycopg
from sqlalchemy import Boolean

from bench import bare, postgresql
from refledger.services.histories import SPELLINGS_MS
from refledger.store.schema import metadata

CLIENTS = (1, 4, 16, 64)
_THREADS = 2


# What is new in each conversion, as SQL.
_RANDOM = "left(encode(uuid_send(gen_random_uuid()), 'base64'), 22)"  # as wide as a fingerprint
_PLACE = "(:client_id::int + :clients::int * (random() * ({affiliates} / :clients::int - 1))::int)"
_AFFILIATE = "'aff_' || lpad({place}::text, 26, '0')"
# One statement that makes everything: its values are columns of `made`.
_MADE = {
    "id": "made.id",
    "event": "made.event",
    "affiliate": "made.affiliate",
    "customer": "made.customer",
    "at_ms": "made.at_ms",
}
# A statement for each table: what they share comes from pgbench and from the transaction's time.
_TIME = "(extract(epoch FROM now()) * 1000)::bigint"
_SET = {
    "id": f"'conv_' || lpad(to_hex({_TIME}), 12, '0') || lpad(to_hex(:first::bigint), 14, '0')",
    "event": f"'evt_' || lpad(to_hex({_TIME}), 12, '0') || lpad(to_hex(:second::bigint), 14, '0')",
    "affiliate": _AFFILIATE.format(place="(:client_id::int + :clients::int * :place::int)"),
    "customer": "rpad(to_hex(:second::bigint) || to_hex(:first::bigint), 22, 'x')",
    "at_ms": _TIME,
}


@dataclass(frozen=True)
class Way:
    """How pgbench is run: what is one journey to the server, by which protocol, by how many clients."""

    shape: str  # one statement | a statement for each table
    protocol: str  # simple | prepared
    clients: int

    def __str__(self) -> str:
        return f"{self.shape}, {self.protocol} protocol, {self.clients} clients"


def ways(per_commit: int) -> list[Way]:
    """All that are tried. For many at once one statement for all of them is the best that there is."""
    shapes = ("one statement", "a statement for each table")[: 2 if per_commit == 1 else 1]
    return [Way(*each) for each in product(shapes, ("simple", "prepared"), CLIENTS)]


class Pgbench:
    """`template`: a database with the installation, from which each run gets a copy of its own."""

    def __init__(self, server: postgresql.Server, template: str, folder: Path, recorded: list[bare.Recorded]):
        self.server, self.template, self.folder = server, "pgbench_template", folder
        folder.mkdir(exist_ok=True)
        affiliates = _with_counted_affiliates(server, template, self.template)
        by_rows = {tuple(len(each.rows.get(table, ())) for table in bare.TABLES): each for each in recorded}
        self._kinds = list(by_rows.items())
        for (place, (_, conversion)), per_commit in product(enumerate(self._kinds), (1, 100)):
            for shape, write in (("one statement", _one_statement), ("a statement for each table", _set)):
                for protocol in ("simple", "prepared"):
                    text = write(conversion, per_commit, affiliates, protocol)
                    self._script(place, per_commit, Way(shape, protocol, 0)).write_text(text)

    def _script(self, place: int, per_commit: int, way: Way) -> Path:
        return self.folder / f"{per_commit}-{way.shape.partition(' ')[0]}-{way.protocol}-{place}.sql"

    def rate(self, way: Way, per_commit: int, timed_s: float) -> float:
        """Conversions a second, from empty tables."""
        with self.server.database(self.template, "pgbench"):
            self.server.rest()
            scripts = [self._script(place, per_commit, way) for place in range(len(self._kinds))]
            ended = subprocess.run(
                [
                    postgresql.pgbench(), "--no-vacuum", "-h", self.server.folder, "-U", "refledger",
                    "-c", str(way.clients), "-j", str(min(_THREADS, way.clients)), "-M", way.protocol,
                    "-T", str(max(1, round(timed_s))), "-D", f"clients={way.clients}",
                    *(part for script in scripts for part in ("-f", script)), "pgbench",
                ],
                capture_output=True, text=True, timeout=60 + 2 * timed_s,
            )  # fmt: skip
            if ended.returncode:
                raise RuntimeError(f"pgbench ({way}): {ended.stderr.strip()[-400:]}")
            done = int(
                re.search(r"^number of transactions actually processed: (\d+)", ended.stdout, re.MULTILINE)[1]
            )
            self._check(done * per_commit, way.clients, per_commit)
        return float(re.search(r"^tps = ([\d.]+) \(", ended.stdout, re.MULTILINE)[1]) * per_commit

    def _check(self, counted: int, clients: int, per_commit: int) -> None:
        """Every table holds what so many conversions leave there, or the comparison would not be one."""
        ask = partial(self.server.ask, name="pgbench")
        stored = ask("SELECT count(*) FROM conversions")
        # When time is up, pgbench leaves out what each client has just begun.
        if not counted <= stored <= counted + clients * per_commit:
            raise RuntimeError(f"pgbench counted {counted} conversions, {stored} are stored")
        if ask("SELECT sum(accepted_count) FROM standings") != stored:
            raise RuntimeError("pgbench did not move a standing for each conversion")
        for place, table in enumerate(bare.TABLES):
            least, most = (pick(rows[place] for rows, _ in self._kinds) * stored for pick in (min, max))
            if not least <= (found := ask(f"SELECT count(*) FROM {table}")) <= most:
                raise RuntimeError(f"pgbench left {found} rows in {table} for {stored} conversions")


def _with_counted_affiliates(server: postgresql.Server, template: str, name: str) -> int:
    """A copy in which affiliates' ids can be reckoned from a number, as wide as before; answers how many there are."""
    with psycopg.connect(server.create(name, template), autocommit=True) as connection:
        connection.execute(
            "UPDATE standings SET affiliate_id = 'aff_' || lpad(counted.n::text, 26, '0') FROM "
            "(SELECT affiliate_id AS id, row_number() OVER (ORDER BY affiliate_id) - 1 AS n FROM standings"
            " WHERE mode = 'live') AS counted WHERE affiliate_id = counted.id"
        )
        connection.execute("VACUUM FULL ANALYZE standings")
        return connection.execute("SELECT count(*) FROM standings WHERE mode = 'live'").fetchone()[0]


# ── scripts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _one_statement(conversion: bare.Recorded, count: int, affiliates: int, protocol: str) -> str:
    place = _PLACE.format(affiliates=affiliates)
    inserts = [
        f"in_{table}_{n} AS (INSERT INTO {table} SELECT {_values(table, row, _MADE)} FROM made)"
        for table in bare.TABLES
        for n, row in enumerate(conversion.rows[table])
    ]
    made = (
        "made AS MATERIALIZED (SELECT 'conv_' || left(replace(uuidv7()::text, '-', ''), 26) AS id,"
        " 'evt_' || left(replace(uuidv7()::text, '-', ''), 26) AS event,"
        f" {_AFFILIATE.format(place=place)} AS affiliate, {_RANDOM} AS customer,"
        f" {_TIME} AS at_ms FROM generate_series(1, {count}))"
    )
    source = (
        "(SELECT affiliate, count(*) AS times, max(at_ms) AS at_ms FROM made GROUP BY affiliate) AS moved"
    )
    move = _move(conversion, "moved.affiliate", "moved.at_ms", "moved.times", f"FROM {source}")
    return f"WITH {', '.join([made, *inserts])} {move};\n"


def _set(conversion: bare.Recorded, count: int, affiliates: int, protocol: str) -> str:
    """One journey too: a pipeline, or where the protocol has none, several statements in one message."""
    settings = (
        "\\set first random(0, 72057594037927935)\n\\set second random(0, 72057594037927935)\n"
        f"\\set place random(0, {affiliates} / :clients - 1)\n"
    )
    statements = [
        f"INSERT INTO {table} VALUES {', '.join(f'({_values(table, row, _SET)})' for row in conversion.rows[table])}"
        for table in bare.TABLES
    ]
    statements.append(_move(conversion, _SET["affiliate"], _SET["at_ms"], "1", ""))
    if protocol == "simple":
        return settings + " \\;\n".join(statements) + ";\n"
    return f"{settings}\\startpipeline\n" + ";\n".join(statements) + ";\n\\endpipeline\n"


def _values(table: str, row: tuple, own: dict[str, str]) -> str:
    columns = metadata.tables[table].columns
    values = {column.name: _literal(column, value) for column, value in zip(columns, row, strict=True)}
    new = {
        "affiliate_id": own["affiliate"],
        "conversion_id": own["id"],
        "cause": own["event"],
        "subject_id": own["id"],
        "email_key": _RANDOM,
        "customer_key": own["customer"],
        "at_ms": own["at_ms"],
        "updated_ms": own["at_ms"],
        "no": "(random() * 9007199254740991)::bigint",
    }
    if table == "conversions":
        new["id"] = own["id"]
    if table == "events":
        new["id"] = own["event"]
    if table == "sightings":
        new["key"] = _sighting_key(dict(zip(columns.keys(), row, strict=True)), own)
    return ", ".join(new.get(name, value) for name, value in values.items())


def _sighting_key(row: dict, own: dict[str, str]) -> str:
    """Random, but for the part that lies with the affiliate, where it has one."""
    span, _, _ = row["key"].partition(".")
    if int(span, 16) == row["at_ms"] // SPELLINGS_MS:
        return f"'{span}.' || {_RANDOM}"
    return f"'{span}.' || right({own['affiliate']}, 6) || left({_RANDOM}, 16)"


def _literal(column, value) -> str:
    if value is None:
        return "NULL"
    if isinstance(column.type, Boolean):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # To pgbench a colon begins a variable, wherever it stands.
    quoted = value.replace("\\", "\\\\").replace("'", "\\'").replace(":", "\\x3a")
    return f"E'{quoted}'"


def _move(conversion: bare.Recorded, affiliate: str, at_ms: str, times: str, source: str) -> str:
    _, *numbers, merchant_id, _, mode = conversion.move
    sums = [
        f"{name} = standings.{name} + {number} * {times}"
        for name, number in zip(bare.NUMBERS, numbers, strict=True)
    ]
    return (
        f"UPDATE standings SET last_accepted_ms = {at_ms}, {', '.join(sums)} {source} WHERE standings.merchant_id = "
        f"'{merchant_id}' AND standings.affiliate_id = {affiliate} AND standings.mode = '{mode}'"
    )
