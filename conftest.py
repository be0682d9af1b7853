"""Before anything of the package is imported: see there."""

pytest_plugins = ["tests.recorder", "tests.heard"]
