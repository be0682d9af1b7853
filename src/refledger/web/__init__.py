"""The doors: HTTP in, answers out. They decide nothing."""
