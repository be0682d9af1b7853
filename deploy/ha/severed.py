"""A commit cut off while it waits for the replicas: stored on the leader, unknown to everybody else, never answered.

Whoever asks again finds it. To be told "tracked" then, before a second node has it, would be an acknowledgement that
the leader's death takes back.
"""

import os
import signal
import threading
from contextlib import contextmanager

import httpx

from deploy.ha.cluster import Cluster, NotInTime, wait_for
from deploy.ha.load import code
from deploy.ha.place import ADDRESS

_SOON_S = 3
_WAITING = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def acknowledged_alone(cluster: Cluster, port: int, shop: dict[str, str], order_id: str) -> bool:
    """Whether refledger, asked again, acknowledges a sale that only the leader has. Raises `NotInTime`."""
    first: list[int | None] = []
    with _deaf_replicas(cluster):
        trying = threading.Thread(target=lambda: first.append(_post(port, shop, order_id, 30)))
        trying.start()
        wait_for("a commit that waits for the replicas", lambda: cluster.ask(_WAITING), 20)
        trying.join()
        if first != [503]:
            raise NotInTime(f"the first try should have been cut off, and was answered {first}")
        again = _post(port, shop, order_id, _SOON_S)
        if cluster.replicas_have(order_id):
            raise NotInTime("the replicas should not have heard of the sale")
    wait_for("an acknowledgement in the end", lambda: _post(port, shop, order_id, 30) == 200)
    return again == 200


@contextmanager
def _deaf_replicas(cluster: Cluster):
    """What the leader says to its replicas stays in the wire."""
    pid = cluster.leader().wire_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _post(port: int, shop: dict[str, str], order_id: str, patience_s: float) -> int | None:
    """The answer's status; None where none came in time."""
    report = {
        "program_id": shop["program_id"],
        "publishable_key": shop["secret_key"],
        "conversion_type": "purchase",
        "ref_code": code(0),
        "customer_email": f"{order_id}x@example.com",
        "order_id": order_id,
        "revenue_amount": "99.99",
    }
    url, headers = f"http://{ADDRESS}:{port}/v1/track-conversion", {"Idempotency-Key": order_id}
    try:
        return httpx.post(url, json=report, headers=headers, timeout=patience_s).status_code
    except httpx.TransportError:
        return None
