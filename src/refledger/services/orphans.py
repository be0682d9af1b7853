"""One of several serving processes ends with the one that started it, however roughly that was ended."""

import os
import signal
import threading
import time

EVERY_S = 0.5


def end_with_parent() -> None:
    """Watches on a thread of its own; the end is an orderly one."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(EVERY_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
