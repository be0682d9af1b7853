"""A way to PostgreSQL over TCP that may be slow, or keep silent."""

import contextlib
import socket
import threading
import time

BUFFER = 65536


class Proxy:
    """Listens on `port`, and leads to a socket in the file system. `delay_s`: how late all arrives, either way."""

    def __init__(self, path: str):
        self._path, self.delay_s, self._closing = path, 0.0, False
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []

    def __enter__(self):
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *details):
        self._closing = True
        self._flowing.set()
        # Woken from waiting: closed alone they would wait on.
        for each in (self._listening, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @contextlib.contextmanager
    def silent(self):
        """Nothing gets through, and no connection ends."""
        self._flowing.clear()
        yield
        self._flowing.set()

    @contextlib.contextmanager
    def slow(self, delay_s: float):
        self.delay_s = delay_s
        yield
        self.delay_s = 0.0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                far.connect(self._path)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BUFFER):
                self._flowing.wait()
                time.sleep(self.delay_s)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
