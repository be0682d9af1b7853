"""Run by Alembic; the connection, already in a transaction, is handed over by `store.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
context.run_migrations()
