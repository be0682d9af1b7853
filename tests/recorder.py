"""Notes every distinct statement that the code sends while it is tested, with the function that sends it.

A pytest plugin, loaded before the package (`conftest.py` of the root), for some modules take a bound method of `Insert`
while they are imported. `tests/test_binding.py` judges what was noted. Only this process is heard: a service that runs
in one of its own sends nothing that the same code does not send here.
"""

import sys
from pathlib import Path
from types import CodeType

from sqlalchemy import event
from sqlalchemy.engine import Engine

from refledger.store import statements

PACKAGE = str(Path(statements.__file__).parent.parent)
TESTS = str(Path(__file__).parent)
LAST = "test_binding.py"

# What was sent, and the code that did: by the statement's own identity, or by its text.
queries: dict[tuple[statements.Query, CodeType], None] = {}
inserts: dict[tuple[statements.Insert, CodeType], None] = {}
texts: dict[
    tuple[str, CodeType], object
] = {}  # → SQLAlchemy's statement; the text itself where there is none


def place(code: CodeType) -> str:
    """`store.history.replays`; nothing where it is not of the package."""
    module = code.co_filename.removeprefix(PACKAGE)
    if module == code.co_filename:
        return ""
    return f"{module.removesuffix('.py').strip('/').replace('/', '.')}.{code.co_qualname}"


def _sender() -> CodeType:
    """The nearest function of the package or of the tests that asked SQLAlchemy."""
    frame = sys._getframe(2)
    while frame and not frame.f_code.co_filename.startswith((PACKAGE, TESTS)):
        frame = frame.f_back
    return frame.f_code


def _through_sqlalchemy(connection, cursor, statement, parameters, context, executemany):
    key = (statement, _sender())
    if key not in texts:
        compiled = getattr(context, "compiled", None)
        texts[key] = compiled.statement if compiled is not None else statement


def _listen_to(owner, name, noted, depth):
    real = getattr(owner, name)

    def heard(self, *arguments, **named):
        noted.setdefault((self, sys._getframe(depth).f_code))
        return real(self, *arguments, **named)

    setattr(owner, name, heard)


_listen_to(statements.Query, "_execute", queries, 2)  # behind `rows` or `run`
_listen_to(statements.Insert, "run", inserts, 1)
event.listen(Engine, "before_cursor_execute", _through_sqlalchemy)


def pytest_collection_modifyitems(items):
    """The judgement comes last."""
    items.sort(key=lambda item: item.path.name == LAST)
