"""SQL and only SQL: one module per noun. Decides nothing."""
