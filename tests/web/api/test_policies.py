"""Policies through the API: versions, who made them, presets, and what differs."""

import os

import pytest
from starlette.testclient import TestClient

from refledger import app
from refledger.core.fraud.policy import DEFAULT
from tests.web.api.conftest import Merchant
from tests.web.api.test_programs import refused


def test_a_policy_is_the_default_with_overrides_in_versions(shop):
    program = shop.program()
    path = f"/v1/programs/{program['id']}/policy"
    first = shop.get(path).json()
    assert (first["version"], first["overrides"], first["document"]["review_at"]) == (0, {}, 40)
    overrides = {"review_at": 60, "signals": {"email.role": {"action": "off"}}}
    second = shop("PUT", path, overrides).json()
    assert (second["version"], second["overrides"], second["document"]["review_at"]) == (1, overrides, 60)
    assert second["document"]["signals"]["email.role"]["action"] == "off"
    assert shop("PUT", path, overrides).json() == second
    assert shop("PUT", path, {}).json()["version"] == 2
    assert shop.patch(f"/v1/programs/{program['id']}", {"policy": overrides}).json()["policy_version"] == 3
    assert shop.patch(f"/v1/programs/{program['id']}", {"policy": None}).json()["policy_version"] == 0
    assert shop.get(path).json()["document"] == first["document"]
    assert shop("PUT", path, overrides).json()["version"] == 4
    refused(shop("PUT", path, {"review_at": "x", "colour": 1}), 400, "invalid_request", "review_at", "colour")
    refused(shop("PUT", path, [1]), 400, "invalid_request")


def test_an_affiliate_has_versions_of_their_own(shop):
    john = shop.affiliate(shop.program(policy={"review_at": 50}))
    path = f"/v1/affiliates/{john['id']}"
    changed = shop.patch(path, {"policy": {"refuse_at": 90}}).json()
    assert (changed["policy"], changed["policy_version"]) == ({"refuse_at": 90}, 1)
    assert shop.patch(path, {"policy": {"refuse_at": 95}}).json()["policy_version"] == 2


def policy_path(program):
    return f"/v1/programs/{program['id']}/policy"


def test_every_version_is_kept_with_who_made_it(shop, clock):
    program = shop.program(policy={"review_at": 50})
    path = policy_path(program)
    for review_at in (60, 70):
        clock.advance_s(1)
        shop("PUT", path, {"review_at": review_at, "note": f"now {review_at}"})
    listed = shop.get(f"{path}/versions").json()
    assert [each["version"] for each in listed["data"]] == [3, 2, 1]
    assert [each["in_force"] for each in listed["data"]] == [True, False, False]
    assert listed["data"][0]["overrides"] == {"review_at": 70, "note": "now 70"}
    actors = {each["actor"] for each in listed["data"]}
    assert actors == {shop.get("/v1/audit").json()["data"][0]["actor"]} and None not in actors
    assert shop.get(f"{path}/versions/2").json() == listed["data"][1]
    first = shop.get(f"{path}/versions", limit=1).json()
    assert first["has_more"] and first["data"] == listed["data"][:1]
    assert (
        shop.get(f"{path}/versions", limit=5, cursor=first["next_cursor"]).json()["data"]
        == listed["data"][1:]
    )
    for number in (4, 0, 2**31, -1, "x", "02", "+2", "%2B2", "2.0", "%202", "2_0", "٢"):
        refused(shop.get(f"{path}/versions/{number}"), 404, "not_found")
    for number, status in (("02", 404), (4, 404), ("2.0", 400), ("٢", 400)):
        assert shop.get(f"{path}/diff", **{"from": number}).status_code == status


def test_an_affiliates_versions_are_their_own(shop, stranger):
    program, other = shop.program(policy={"review_at": 50}), shop.program()
    john = shop.affiliate(program)
    shop.patch(f"/v1/affiliates/{john['id']}", {"policy": {"preset": "strict"}})
    path, of_john = f"{policy_path(program)}/versions", {"affiliate_id": john["id"]}
    (only,) = shop.get(path, **of_john).json()["data"]
    assert (only["affiliate_id"], only["version"]) == (john["id"], 1)
    assert only["overrides"] == {"preset": "strict-1"}
    assert shop.get(f"{path}/1", **of_john).json() == only
    assert shop.get(f"{path}/1").json()["affiliate_id"] is None
    assert shop.get(f"{policy_path(other)}/versions", **of_john).status_code == 404
    assert stranger.get(path).status_code == 404 and stranger.get(f"{path}/1").status_code == 404


def test_presets_are_listed_and_asked_for_by_name(shop):
    presets = {each["name"]: each for each in shop.get("/v1/policy-presets").json()["data"]}
    assert set(presets) == {"reference", "lenient", "strict"}
    assert presets["reference"]["document"] == DEFAULT
    path = policy_path(shop.program())
    chosen = shop("PUT", path, {"preset": "strict"}).json()
    assert chosen["overrides"] == {"preset": "strict-1"}
    assert chosen["document"] == presets["strict"]["document"]
    assert shop("PUT", path, {"preset": "strict-1"}).json()["version"] == chosen["version"]


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ({}, [("review_at", 40, 60), ("signals.email.role.points", 5, 7)]),
        ({"from": "1", "to": "2"}, [("review_at", 50, 60), ("signals.email.role.points", 5, 7)]),
        ({"from": "2", "to": "0"}, [("review_at", 60, 40), ("signals.email.role.points", 7, 5)]),
        ({"from": "reference", "to": "reference-1"}, []),
        ({"from": "2"}, []),
    ],
)
def test_what_differs_between_two_policies(shop, asked, changes):
    path = policy_path(shop.program(policy={"review_at": 50}))
    shop("PUT", path, {"review_at": 60, "signals": {"email.role": {"points": 7}}})
    found = shop.get(f"{path}/diff", **asked).json()
    assert [(each["path"], each["old"], each["new"]) for each in found["changes"]] == changes
    assert (found["from"], found["to"]) == (asked.get("from", "0"), asked.get("to", "2"))


def test_what_is_compared_must_exist(shop):
    path = policy_path(shop.program())
    assert shop.get(f"{path}/diff", **{"from": "1"}).status_code == 404
    assert shop.get(f"{path}/diff", to="stricter").status_code == 404
    answer = refused(shop.get(f"{path}/diff", to="-1"), 400, "invalid_request", "to")
    assert answer["message"] == "to: must be the number of a version, or a preset's name"


# ── back-tests ───────────────────────────────────────────────────────────────────────────────────────────────────

REFUSING = {"signals": {"email.role": {"action": "refuse"}}}


def test_a_back_test_names_what_would_have_been_different(shop, testing, clock):
    program = shop.program()
    shop.affiliate(program)
    path = f"{policy_path(program)}/backtest"
    held = shop.conversion(program, customer_email="info@firm.example")
    found = shop.post(path, {"policy": REFUSING}).json()
    assert (found["complete"], found["decisions"], found["reproduced"]["share"]) == (True, 1, 1.0)
    assert [(each["id"], each["from"], each["to"]) for each in found["flips"]] == [
        (held, "accepted", "refused")
    ]
    assert found["flips"][0]["commission"] == {"amount_minor": 999, "amount": "9.99", "currency": "USD"}
    assert found["policy"]["signals"]["email.role"]["action"] == "refuse"
    assert shop.post(path).json()["flips"] == []
    assert testing.post(path, {"policy": REFUSING}).json()["decisions"] == 0
    clock.advance_s(31 * 86_400)
    assert shop.post(path, {"policy": REFUSING}).json()["decisions"] == 0
    assert shop.post(path, {"from": "2026-09-01T00:00:00Z"}).json()["decisions"] == 1


def test_what_is_in_shadow_mode_is_reported_as_if_it_held(shop):
    shadow = {"signals": {"email.role": {"action": "refuse", "mode": "shadow"}}}
    program = shop.program(policy=shadow)
    shop.affiliate(program)
    shop.conversion(program, customer_email="info@firm.example")
    path = f"{policy_path(program)}/shadow"
    (only,) = shop.get(path).json()["flips"]
    assert (only["from"], only["to"], only["signal"]) == ("accepted", "refused", "email.role")
    assert shop.get(path, to="2020-01-01T00:00:00Z").json()["decisions"] == 0


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"policy": {"preset": "stricter"}}, ["policy.preset"]),
        ({"policy": {"signals": {"email.role": {"points": -1}}}}, ["policy.signals.email.role.points"]),
        ({"policy": []}, ["policy"]),
        ({"from": "2026-09-02T00:00:00Z", "to": "2026-09-01T00:00:00Z"}, ["from"]),
        ({"from": "today"}, ["from"]),
        ({"to": "0001-01-01T00:00:00Z"}, ["to"]),
        ({"from": "1969-12-31T23:59:59.999Z"}, ["from"]),
        ({"to": "1970-01-01T00:00:00Z", "from": "1970-01-01T00:00:00Z"}, ["from"]),
        ({"since": "2026-09-01T00:00:00Z"}, ["since"]),
    ],
)
def test_a_back_test_that_cannot_be_is_refused_by_its_paths(shop, wanted, fields):
    path = f"{policy_path(shop.program())}/backtest"
    refused(shop.post(path, wanted), 400, "invalid_request", *fields)


GARBAGE = {f"{number:06}{'x' * 40}": number for number in range(12_000)}


@pytest.mark.parametrize(
    ("overrides", "fields", "words"),
    [
        ({"": 1}, ['""'], '"" unknown; a policy has'),
        ({"signals": {"": 1}}, ['signals.""'], 'signals."" no such signal'),
        ({"signals": {"email.role": {"": 1}}}, ['signals.email.role.""'], "unknown; a signal has"),
        ({"note": "a\x1bb"}, ["note"], "note has control characters"),
        ({"note": "a\nb"}, ["note"], "note has control characters"),
        ({"x" * 1000: 1}, ["x" * 79 + "…"], "x… unknown"),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_by_its_path(shop, overrides, fields, words):
    path = policy_path(shop.program())
    assert words in refused(shop("PUT", path, overrides), 400, "invalid_request", *fields)["message"]
    assert shop("PUT", path, {"note": "plain – ünïcode"}).status_code == 200


@pytest.mark.parametrize("path", ["programs/{id}/policy/backtest", "customers/forget", "lists", "programs"])
def test_a_body_that_is_no_object_is_told_in_words(shop, path):
    answer = refused(shop.post(f"/v1/{path.format(**shop.program())}", []), 400, "invalid_request", "body")
    assert answer["message"] == "body: must be an object"


def test_a_policy_of_garbage_is_answered_shortly(shop):
    answer = shop("PUT", policy_path(shop.program()), {"signals": GARBAGE})
    assert answer.json()["message"].endswith("; and 11,980 more")
    assert len(answer.json()["fields"]) == len(answer.json()["errors"]) == 20 and len(answer.content) < 10_000
    answer = shop.post("/v1/programs", {"name": "x", "y" * 500_000: 1})
    assert answer.status_code == 400 and len(answer.content) < 10_000


@pytest.mark.parametrize("path", ["conversions", "attempts", "clicks", "audit", "signals"])
def test_times_before_there_were_any_are_refused_by_their_names(shop, path):
    early, first = "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"
    refused(shop.get(f"/v1/{path}", created_from=early), 400, "invalid_request", "created_from")
    refused(shop.get(f"/v1/{path}", created_to=early), 400, "invalid_request", "created_to")
    assert shop.get(f"/v1/{path}", created_from=first, created_to=first).status_code == 200
    assert shop.get(f"/v1/{path}", created_to="9999-12-31T23:59:59.999Z").status_code == 200


def test_a_report_may_begin_and_end_at_the_ends_of_time(shop):
    path = f"{policy_path(shop.program())}/shadow"
    refused(shop.get(path, to="0001-01-01T00:00:00Z"), 400, "invalid_request", "to")
    for ends in ({"to": "1970-01-01T00:00:00.001Z"}, {"to": "9999-12-31T23:59:59.999Z"}):
        assert shop.get(path, **ends).json()["decisions"] == 0


def test_a_strangers_program_cannot_be_replayed(shop, stranger):
    path = policy_path(shop.program())
    refused(stranger.post(f"{path}/backtest"), 404, "not_found")
    refused(stranger.get(f"{path}/shadow"), 404, "not_found")


def test_one_back_test_at_a_time_and_everything_else_meanwhile(shop, application):
    program = shop.program()
    john, path = shop.affiliate(program), policy_path(program)
    with application.state.api_house.backtesting:
        for answer in (shop.post(f"{path}/backtest"), shop.get(f"{path}/shadow")):
            refused(answer, 503, "overloaded")
            assert (
                answer.headers["Retry-After"] == "10" and "back-test is running" in answer.json()["message"]
            )
        assert shop.conversion(program) and shop.get(path).status_code == 200
        assert shop.get(f"/v1/affiliates/{john['id']}").status_code == 200
    assert shop.post(f"{path}/backtest").json()["decisions"] == 1  # the control


def test_a_back_test_keeps_others_out_until_it_ends_however_it_ends(settings, merchant, clock):
    running = []

    def watched():
        running.append(made.state.api_house.backtesting.locked())
        return clock()

    made = app.create(settings, watched, os.urandom)
    with TestClient(made) as client:
        shop = Merchant(client, merchant)
        path = policy_path(shop.program())
        for body, status in (({}, 200), ({"policy": {"review_at": "x"}}, 400), ({}, 200)):
            del running[:]
            assert shop.post(f"{path}/backtest", body).status_code == status
            assert True in running
        assert not made.state.api_house.backtesting.locked()
