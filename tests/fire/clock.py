"""A clock that runs faster than the world's, so that hours and days pass while the fire burns."""

import time
from dataclasses import asdict, dataclass

import psycopg

# A name of ours before the system's, as in `tests.postgres`, and running.
RUNNING = """
CREATE FUNCTION clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS $$
  SELECT timestamptz 'epoch' + interval '1 millisecond' * (
    {start_ms} + (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000 - {since_ms}) * {factor}) $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$;
"""


@dataclass(frozen=True)
class FastClock:
    """`factor` milliseconds pass in each of the machine's. At `since_ms` by the machine it was `start_ms`."""

    start_ms: int
    since_ms: int
    factor: int

    @classmethod
    def from_now_on(cls, factor: int, start_ms: int = 1_790_000_000_000):
        return cls(start_ms, time.time_ns() // 1_000_000, factor)

    def __call__(self) -> int:
        return int(self.start_ms + (time.time() * 1000 - self.since_ms) * self.factor)

    @property
    def slack_ms(self) -> int:
        """What rounding may cost: two milliseconds of the machine's."""
        return 2 * self.factor

    def install(self, url: str) -> None:
        """Makes it the clock of one database; to be done before others connect to it."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(RUNNING.format(**asdict(self)))
