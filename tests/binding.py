"""Whether a statement of SQLAlchemy names, for each table of merchants' rows that it touches, whose rows it means.

Bound is a `merchant_id` that equals a parameter, a value of a set of rows (`statements.rows_of`) or what a routing
table leads to; or another one that is bound. Only what must hold counts: parts of an AND, the ON of a join; of an outer
join, for its right side alone.
"""

import re
from collections.abc import Iterator

from sqlalchemy import BindParameter, Column, Delete, Insert, Select, Table, Update
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BooleanClauseList,
    Cast,
    ExpressionClauseList,
    Grouping,
    Label,
    TextClause,
    Tuple,
)
from sqlalchemy.sql.selectable import CTE, Alias, CompoundSelect, Join, ScalarSelect, SelectBase, Subquery

from refledger.store import schema
from refledger.store.statements import item

MERCHANTS = {
    name
    for name, table in schema.metadata.tables.items()
    if "merchant_id" in table.c and table not in schema.ROUTING
}
ROUTING = {table.name for table in schema.ROUTING}
NAMED = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY)\s+\"?({'|'.join(sorted(MERCHANTS))})\b", re.IGNORECASE
)
_INSERTED = re.compile(r"\s*INSERT INTO (\w+) \(([^)]*)\)")


def unbound(statement, text: str = "") -> list[str]:
    """The merchants' tables whose merchant it leaves open. `text`: as it was sent."""
    if isinstance(statement, TextClause):
        statement = statement.text
    if isinstance(statement, str):
        return NAMED.findall(statement)
    if isinstance(statement, Insert):
        table, columns = _INSERTED.match(
            text or str(statement.compile(dialect=postgresql.dialect()))
        ).groups()
        found = [] if "merchant_id" in re.findall(r"\w+", columns) or table not in MERCHANTS else [table]
        return found + (_Scope(statement.select).unbound() if statement.select is not None else [])
    if isinstance(statement, (Select, Update, Delete)):
        return _Scope(statement).unbound()
    if isinstance(statement, CompoundSelect):
        return [name for each in statement.selects for name in unbound(each)]
    return NAMED.findall(text)


class _Scope:
    """One SELECT, UPDATE or DELETE: its tables by name, what must be equal in it, and which columns are bound."""

    def __init__(self, statement, outer: "_Scope | None" = None):
        self.statement, self.outer = statement, outer
        self.sources, self.equal, self.inner, self.bound = {}, [], [], set()
        for each in self._froms():
            self._enter(each)
        for target, condition, _, how in getattr(statement, "_setup_joins", ()):
            self._enter(target)
            self._must_hold(condition, {target.name} if how["isouter"] else None)
        for each in statement._where_criteria:
            self._must_hold(each)
        while self._spread():
            pass

    def unbound(self) -> list[str]:
        found = [
            table.name
            for name, source in self.sources.items()
            if (table := _table(source)) is not None
            and table.name in MERCHANTS
            and (name, "merchant_id") not in self.bound
        ]
        for each in self.inner:
            found += each.unbound()
        for each in _selects_in(self._expressions()):
            found += [name for part in _parts(each) for name in _Scope(part, self).unbound()]
        return found

    # ── where rows come from ─────────────────────────────────────────────────────────────────────────────────────

    def _froms(self) -> Iterator:
        """What it names, the joins first: of those inside a join nothing else is said."""
        statement = self.statement
        named = list(statement._where_criteria)
        if isinstance(statement, Select):
            named = [*statement._from_obj, *statement._raw_columns, *named]
        else:
            yield statement.table
        for each in named:
            for source in each._from_objects:
                known = _name(source) in self.sources
                if not isinstance(source, SelectBase) and not known and not self._is_outer(source):
                    yield source

    def _is_outer(self, source) -> bool:
        """Correlated: of the statement around it."""
        return bool(self.outer and self.outer.knows(_name(source)))

    def knows(self, name: str | None) -> bool:
        return name in self.sources or bool(self.outer and self.outer.knows(name))

    def _enter(self, source) -> None:
        if isinstance(source, Join):
            self._enter(source.left)
            left = set(self.sources)
            self._enter(source.right)
            self._must_hold(source.onclause, set(self.sources) - left if source.isouter else None)
            return
        self.sources[source.name] = source
        if isinstance(source, (Subquery, CTE)):
            self.inner += [_Scope(each) for each in _parts(source.element)]

    def _must_hold(self, condition, only: set[str] | None = None) -> None:
        """`only`: the sources that this may bind."""
        if isinstance(condition, Grouping):
            self._must_hold(condition.element, only)
        elif (
            isinstance(condition, (BooleanClauseList, ExpressionClauseList))
            and condition.operator is operators.and_
        ):
            for each in condition.clauses:
                self._must_hold(each, only)
        elif isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            self.equal += [(condition.left, condition.right, only), (condition.right, condition.left, only)]
        elif isinstance(condition, BinaryExpression) and condition.operator is operators.in_op:
            self._one_of(condition.left, _bare(condition.right), only)

    def _one_of(self, left, right, only) -> None:
        lefts = list(_bare(left).clauses) if isinstance(_bare(left), Tuple) else [left]
        if isinstance(right, SelectBase):
            scopes = [_Scope(each) for each in _parts(right)]
            for n, column in enumerate(lefts):
                chosen = [(scope, list(scope.statement.selected_columns)[n]) for scope in scopes]
                if all(scope.is_bound(each) for scope, each in chosen):
                    self.equal.append((column, BindParameter("chosen", ""), only))
        elif isinstance(right, BindParameter):
            self.equal += [(column, right, only) for column in lefts]

    # ── what is bound ────────────────────────────────────────────────────────────────────────────────────────────

    def _spread(self) -> bool:
        before = len(self.bound)
        for column, other, only in self.equal:
            column = _bare(column)
            if not isinstance(column, Column) and getattr(column, "table", None) is None:
                continue
            key = (_name(column.table), column.key)
            if key[0] in self.sources and (only is None or key[0] in only) and self.is_bound(other):
                self.bound.add(key)
        return len(self.bound) > before

    def is_bound(self, expression) -> bool:
        expression = _bare(expression)
        if isinstance(expression, (BindParameter, item)):
            return True
        source = getattr(expression, "table", None)
        if source is None:
            return False
        if isinstance(source, (Subquery, CTE)):
            return all(
                _Scope(each).is_bound(each.selected_columns[expression.key])
                for each in _parts(source.element)
            )
        if _name(source) in ROUTING:
            return expression.key == "merchant_id"
        key = (_name(source), expression.key)
        return key in self.bound or bool(
            self.outer and key[0] not in self.sources and self.outer.is_bound(expression)
        )

    def _expressions(self) -> list:
        """Everything of the statement but its FROM clause."""
        statement = self.statement
        found = [*statement._where_criteria, *(each for each, *_ in self.equal)]
        if isinstance(statement, Select):
            found += [*statement._raw_columns, *statement._order_by_clauses, *statement._having_criteria]
        if isinstance(statement, Update):
            found += [each for each in (statement._values or {}).values() if hasattr(each, "get_children")]
        return found


def _parts(select) -> list:
    """A UNION's selects, or the one that it is."""
    select = _bare(select)
    return (
        [part for each in select.selects for part in _parts(each)]
        if isinstance(select, CompoundSelect)
        else [select]
    )


def _bare(expression):
    while isinstance(expression, (Grouping, Label, Cast, ScalarSelect)):
        expression = (
            getattr(expression, "element", None) if not isinstance(expression, Cast) else expression.clause
        )
    return expression


def _name(source) -> str | None:
    return getattr(source, "name", None)


def _table(source) -> Table | None:
    while isinstance(source, Alias):
        source = source.element
    return source if isinstance(source, Table) else None


def _selects_in(expressions) -> Iterator:
    for each in expressions:
        if isinstance(each, SelectBase):
            yield each
        elif not isinstance(each, (Table, Alias, Subquery, CTE)):
            yield from _selects_in(each.get_children())
