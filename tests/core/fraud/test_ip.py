"""Kinds of addresses, and who else came from one."""

import pytest

from refledger.core.fraud.catalogue import BY_CODE
from refledger.core.fraud.policy import DEFAULT_POLICY
from refledger.core.fraud.scoring import judge, record
from refledger.core.fraud.sentences import explain
from refledger.core.origins import CITY, CLASSES
from tests.core.fraud.cases import case, entry, origin, state

HOME = "81.2.69.160"
POINTS = {"tor": 50, "hosting": 40, "proxy": 40, "vpn": 25, "relay": 5}


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class(kind):
    code = f"ip.{kind}"
    assert state(case(address=HOME, origin=origin(None, None, kind)), code) == POINTS[kind]
    others = [each for each in CLASSES if each != kind]
    assert state(case(address=HOME, origin=origin(None, None, *others)), code) == "clear"
    assert state(case(address=HOME, origin=origin(known={CITY, *others})), code) == "no_database"
    assert state(case(address=HOME), code) == "no_database"
    assert state(case(origin=origin(None, None, kind)), code) == "no_ip"


def test_the_classes_are_one_suspicion():
    verdict = judge(case(address=HOME, origin=origin(None, None, *CLASSES)), DEFAULT_POLICY)
    assert (verdict.score, verdict.leading) == (50, "ip.tor")


@pytest.mark.parametrize(("others", "answer"), [(0, "clear"), (2, "clear"), (3, 45), (9, 45)])
def test_many_mailboxes(others, answer):
    crowd = {"ip.many_mailboxes": others}
    assert state(case(address=HOME, sightings=crowd), "ip.many_mailboxes") == answer
    shared = case(address="10.0.0.1", sightings=crowd)
    assert state(shared, "ip.many_mailboxes") == "shared_address"
    assert state(case(None, address=HOME, sightings=crowd), "ip.many_mailboxes") == "no_email"


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("127.0.0.1", 0),
        ("::1", 0),
        ("10.1.2.3", 0),
        ("192.168.0.1", 0),
        ("fd00::1", 0),
        ("100.64.0.1", 0),
        ("169.254.1.1", 0),
        ("fe80::1", 0),
        ("203.0.113.42", "clear"),
        ("2001:db8::1", "clear"),
        ("100.128.0.1", "clear"),
        ("192.0.0.8", "clear"),
        ("224.0.0.1", "clear"),
        ("8.8.8.8", "clear"),
        (None, "no_ip"),
    ],
)
def test_private(address, answer):
    assert state(case(address=address), "ip.private") == answer


def test_a_proxy_set_up_wrongly_is_told_and_costs_nothing():
    inside = case(address="100.64.0.1")
    verdict = judge(inside, DEFAULT_POLICY)
    assert (verdict.score, verdict.outcome) == (0, "clear")
    assert BY_CODE["ip.private"].action == "evidence"
    assert entry(inside, "ip.private")["evidence"] == {"range": "carrier nat"}
    assert "an internal one (carrier nat)" in explain(record(verdict))[0]
