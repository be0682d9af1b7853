"""The command line. What a command needs is imported when it runs, so that `serve` starts fast."""

import os
import sys


def main() -> None:
    """The entry point: runs a command; what can be expected to go wrong ends in one sentence and status 1."""
    os.umask(0o077)  # whatever is written holds keys or customers' data
    from refledger.cli.commands import app
    from refledger.cli.support import expected_words

    try:
        app()
    except Exception as error:
        words = expected_words(error)
        if words is None:
            raise
        print(f"refledger: {words}", file=sys.stderr)
        sys.exit(1)
