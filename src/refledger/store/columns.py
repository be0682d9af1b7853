"""How a column is declared, once: types that both engines keep alike, names for every constraint."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Number = BigInteger().with_variant(Integer(), "sqlite")
Flag = Boolean().with_variant(Integer(), "sqlite")


def table(name: str, *parts, **options) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True, **options)


def text_column(name: str, **options) -> Column:
    return Column(name, Text, nullable=options.pop("nullable", False), **options)


def number(name: str, **options) -> Column:
    return Column(name, Number, nullable=options.pop("nullable", False), **options)


def flag(name: str, **options) -> Column:
    return Column(name, Flag, nullable=False, **options)


def merchant() -> Column:
    return text_column("merchant_id")
