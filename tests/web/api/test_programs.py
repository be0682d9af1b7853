"""Programs, affiliates, coupons, policies and lists through the API: what is made, what is refused, and why."""

import json

import pytest


def refused(response, status, code, *fields):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert set(body) >= {"error", "message", "request_id"}
    if fields:
        assert set(body["fields"]) == set(fields)
        assert status != 400 or set(body["errors"]) == set(fields)
    return body


def actions(shop):
    return [each["action"] for each in shop.get("/v1/audit").json()["data"]]


# ── programs ─────────────────────────────────────────────────────────────────────────────────────


def test_a_program_has_defaults_for_everything_but_its_name(shop):
    program = shop.made("/v1/programs", {"name": "  Café & Söhne  "})
    assert program.pop("id").startswith("prog_")
    assert program == {
        "object": "program",
        "created_at": "2026-09-21T14:13:20.000Z",
        "mode": "live",
        "name": "Café & Söhne",
        "slug": "cafe-sohne",
        "currency": "USD",
        "site_url": None,
        "allowed_hosts": [],
        "allowed_origins": [],
        "window_days": 30,
        "commission": {
            "purchase": {"type": "percentage", "value": "10"},
            "signup": {"type": "fixed", "value": "0"},
        },
        "repeat_purchases": "first",
        "limits": {"hourly": 2, "daily": 10},
        "attribution": "last",
        "max_revenue": "10000000.00",
        "recruiter": None,
        "hold_days": 0,
        "approve_days": None,
        "payout_minimum": "0.00",
        "time_zone": "UTC",
        "status": "active",
        "policy": None,
        "policy_version": 0,
    }


def test_everything_can_be_given_and_is_read_back(shop):
    wanted = {
        "name": "Shop",
        "slug": "my-shop",
        "currency": "jpy",
        "site_url": "https://shop.example/start?a=b",
        "allowed_hosts": ["Blog.Shop.Example"],
        "allowed_origins": ["https://Shop.example:443", "http://localhost:3000"],
        "window_days": 3650,
        "commission": {
            "purchase": {
                "type": "percentage",
                "value": "12.3456",
                "tiers": [
                    {"from": {"revenue": "1000"}, "value": "15"},
                    {"from": {"revenue": "5000"}, "value": "20"},
                ],
                "cap": "100",
                "monthly_cap": "1000",
            },
            "signup": {
                "type": "fixed",
                "value": "5",
                "tiers": [{"from": {"conversions": 10}, "value": "7"}],
                "bonus": {"after": 100, "value": "500"},
            },
        },
        "recruiter": {"value": "5", "most": "30"},
        "hold_days": 30,
        "approve_days": 14,
        "payout_minimum": "50",
        "time_zone": "Europe/Berlin",
        "repeat_purchases": {"months": 12},
        "limits": {"hourly": 0, "daily": 1_000_000},
        "attribution": "first",
        "max_revenue": "5000",
        "policy": {"review_at": 50},
        "status": "paused",
    }
    program = shop.made("/v1/programs", wanted)
    expected = wanted | {
        "currency": "JPY",
        "allowed_hosts": ["blog.shop.example"],
        "allowed_origins": ["https://shop.example", "http://localhost:3000"],
    }
    assert {name: program[name] for name in wanted} == expected
    assert program["policy_version"] == 1
    assert shop.get(f"/v1/programs/{program['id']}").json() == program
    assert shop.get("/v1/programs").json()["data"] == [program]
    assert shop.get("/v1/programs", status="active").json()["data"] == []


TERMS = {"type": "percentage", "value": "10"}


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"name": "a\u0000b"}, []),
        ({"name": "a\nb"}, ["name"]),
        ({"name": 7}, ["name"]),
        ({"slug": "Has Space"}, ["slug"]),
        ({"slug": "-a"}, ["slug"]),
        ({"slug": "é"}, ["slug"]),
        ({"slug": "x" * 65}, ["slug"]),
        ({"currency": "XYZ"}, ["currency"]),
        ({"currency": 840}, ["currency"]),
        ({"site_url": "ftp://shop.example"}, ["site_url"]),
        ({"site_url": "https://"}, ["site_url"]),
        ({"site_url": "javascript:alert(1)"}, ["site_url"]),
        ({"site_url": "https://user:pw@shop.example"}, ["site_url"]),
        ({"site_url": "https://shop.example\\@evil.example"}, ["site_url"]),
        ({"site_url": "https://shop.example:99999"}, ["site_url"]),
        ({"site_url": "https://[::1"}, ["site_url"]),
        ({"site": "shop.example"}, ["site"]),
        ({"allowed_hosts": ["https://a.example"]}, ["allowed_hosts.0"]),
        ({"allowed_hosts": "a.example"}, ["allowed_hosts"]),
        ({"allowed_origins": ["https://a.example/path"]}, ["allowed_origins.0"]),
        ({"allowed_origins": ["*"]}, ["allowed_origins.0"]),
        ({"window_days": 0}, ["window_days"]),
        ({"window_days": 3651}, ["window_days"]),
        ({"window_days": "30"}, ["window_days"]),
        ({"window_days": True}, ["window_days"]),
        ({"window_days": 1e400}, []),
        (
            {"commission": {"purchase": {"type": "percentage", "value": "100.0001"}}},
            ["commission.purchase.value"],
        ),
        (
            {"commission": {"purchase": {"type": "percentage", "value": "1.23456"}}},
            ["commission.purchase.value"],
        ),
        ({"commission": {"purchase": {"type": "percentage", "value": "-1"}}}, ["commission.purchase.value"]),
        ({"commission": {"purchase": {"type": "percentage", "value": 10}}}, ["commission.purchase.value"]),
        ({"commission": {"purchase": {"type": "fixed", "value": "1.005"}}}, ["commission.purchase.value"]),
        ({"commission": {"purchase": {"type": "fixed", "value": "1e3"}}}, ["commission.purchase.value"]),
        ({"commission": {"purchase": {"type": "fixed", "value": "9" * 20}}}, ["commission.purchase.value"]),
        ({"commission": {"purchase": {"type": "tiers", "value": "1"}}}, ["commission.purchase.type"]),
        ({"commission": {"purchase": {"type": "fixed"}}}, ["commission.purchase.value"]),
        ({"commission": {"lead": TERMS}}, ["commission.lead"]),
        ({"commission": {"purchase": TERMS | {"tiers": []}}}, ["commission.purchase.tiers"]),
        (
            {"commission": {"purchase": TERMS | {"tiers": [{"from": {}, "value": "12"}]}}},
            ["commission.purchase.tiers.0.from"],
        ),
        (
            {"commission": {"purchase": TERMS | {"tiers": [{"from": {"conversions": 1}, "value": "101"}]}}},
            ["commission.purchase.tiers.0.value"],
        ),
        (
            {"commission": {"purchase": TERMS | {"bonus": {"after": -1, "value": "1"}}}},
            ["commission.purchase.bonus.after"],
        ),
        ({"commission": {"purchase": TERMS | {"cap": None}}}, ["commission.purchase.cap"]),
        ({"commission": {"purchase": TERMS | {"monthly_cap": "1.005"}}}, ["commission.purchase.monthly_cap"]),
        ({"recruiter": {"value": "5"}}, ["recruiter.most"]),
        ({"recruiter": {"value": "31", "most": "30"}}, ["recruiter.value"]),
        ({"recruiter": {"value": "5", "most": "101"}}, ["recruiter.most"]),
        ({"hold_days": -1}, ["hold_days"]),
        ({"approve_days": 1.5}, ["approve_days"]),
        ({"payout_minimum": "0.001"}, ["payout_minimum"]),
        ({"time_zone": "Europe/Atlantis"}, ["time_zone"]),
        ({"time_zone": "../UTC"}, ["time_zone"]),
        ({"commission": []}, ["commission"]),
        ({"repeat_purchases": "second"}, ["repeat_purchases"]),
        ({"repeat_purchases": {"months": 0}}, ["repeat_purchases"]),
        ({"repeat_purchases": {"months": True}}, ["repeat_purchases"]),
        ({"repeat_purchases": []}, ["repeat_purchases"]),
        ({"limits": {"hourly": -1}}, ["limits.hourly"]),
        ({"limits": {"daily": 1_000_001}}, ["limits.daily"]),
        ({"limits": {"daily": 2.5}}, ["limits.daily"]),
        ({"limits": {"weekly": 2}}, ["limits.weekly"]),
        ({"limits": None}, ["limits"]),
        ({"attribution": "both"}, ["attribution"]),
        ({"max_revenue": "1.005"}, ["max_revenue"]),
        ({"max_revenue": 5}, ["max_revenue"]),
        ({"policy": {"review_at": 0}}, ["policy.review_at"]),
        ({"policy": {"signals": {"email.nothing": {}}}}, ["policy.signals.email.nothing"]),
        ({"policy": []}, ["policy"]),
        ({"status": "deleted"}, ["status"]),
        ({"colour": "red"}, ["colour"]),
        ({"name": "", "window_days": 0, "colour": "red"}, ["name", "window_days", "colour"]),
    ],
)
def test_bad_programs_are_refused_with_every_field_named(shop, wanted, fields):
    body = {"name": "Shop"} | wanted
    if fields:
        refused(shop.post("/v1/programs", body), 400, "invalid_request", *fields)
        program = shop.program()
        refused(shop.patch(f"/v1/programs/{program['id']}", wanted), 400, "invalid_request", *fields)
    else:
        response = shop("POST", "/v1/programs", content=json.dumps(body))
        refused(response, 400, "invalid_body")


def test_a_change_changes_only_what_it_names(shop, clock):
    before = shop.program()
    clock.advance_s(5)
    wanted = {"commission": {"signup": {"type": "fixed", "value": "1.50"}}, "limits": {"daily": 20}}
    after = shop.patch(f"/v1/programs/{before['id']}", wanted).json()
    assert after["commission"] == before["commission"] | wanted["commission"]
    assert after["limits"] == {"hourly": 2, "daily": 20}
    same = set(before) - {"commission", "limits"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    note = shop.get("/v1/audit").json()["data"][0]
    assert (note["action"], note["subject_id"], note["actor"][:4]) == (
        "program.updated",
        before["id"],
        "key_",
    )
    assert note["created_at"] == "2026-09-21T14:13:25.000Z"
    assert note["changes"]["limit_daily"] == [10, 20]
    assert shop.patch(f"/v1/programs/{before['id']}", {"limits": {"daily": 20}}).status_code == 200
    assert actions(shop).count("program.updated") == 1


def test_slugs_are_unique_in_the_installation_and_made_ones_give_way(shop, stranger):
    first, second, third = shop.program(), shop.program(), stranger.program()
    assert first["slug"] == "shop"
    assert second["slug"].startswith("shop-") and third["slug"].startswith("shop-")
    refused(stranger.post("/v1/programs", {"name": "x", "slug": "shop"}), 409, "conflict", "slug")
    refused(shop.patch(f"/v1/programs/{second['id']}", {"slug": "shop"}), 409, "conflict", "slug")
    assert shop.patch(f"/v1/programs/{first['id']}", {"slug": "moved"}).json()["slug"] == "moved"
    assert stranger.patch(f"/v1/programs/{third['id']}", {"slug": "shop"}).json()["slug"] == "shop"


def test_the_currency_stays_once_there_are_conversions(shop):
    program = shop.program()
    affiliate = shop.affiliate(program)
    path = f"/v1/programs/{program['id']}"
    changed = shop.patch(path, {"currency": "JPY"}).json()
    assert (changed["currency"], changed["max_revenue"]) == ("JPY", "10000000")
    assert shop.get(f"/v1/affiliates/{affiliate['id']}/balance").json()["currency"] == "JPY"
    shop.conversion(program, revenue_amount=100)
    refused(shop.patch(path, {"currency": "EUR"}), 409, "conflict", "currency")
    assert shop.patch(path, {"currency": "JPY", "name": "Same"}).status_code == 200


def test_a_new_currency_must_fit_the_terms(shop):
    program = shop.program(commission={"signup": {"type": "fixed", "value": "1.50"}})
    path = f"/v1/programs/{program['id']}"
    refused(shop.patch(path, {"currency": "JPY"}), 400, "invalid_request", "commission.signup.value")
    shop.affiliate(program, commission={"signup": {"type": "fixed", "value": "2.50"}})
    wanted = {"currency": "JPY", "commission": {"signup": {"type": "fixed", "value": "1"}}}
    refused(shop.patch(path, wanted), 409, "conflict", "currency")


# ── affiliates ───────────────────────────────────────────────────────────────────────────────────


def test_an_affiliate_begins_active_with_a_readable_code(shop):
    program = shop.program()
    made = shop.made(f"/v1/programs/{program['id']}/affiliates", {"email": "mary@affiliate.example"})
    assert made["id"].startswith("aff_")
    assert (made["object"], made["status"], made["program_id"]) == ("affiliate", "active", program["id"])
    assert len(made["ref_code"]) == 8 and not set(made["ref_code"]) & set("01OIL")
    assert (made["limits"], made["commission"], made["policy"], made["name"]) == (None, None, None, "")
    assert shop.get(f"/v1/affiliates/{made['id']}").json() == made
    assert shop.get(f"/v1/programs/{program['id']}/affiliates").json()["data"] == [made]
    accounts = shop.get(f"/v1/affiliates/{made['id']}/balance").json()["accounts"]
    assert {each["amount_minor"] for each in accounts.values()} == {0}


def test_codes_are_unique_within_a_program_without_case(shop):
    program, other = shop.program(), shop.program(name="Other")
    john = shop.affiliate(program)
    mary = shop.affiliate(program, ref_code="MARY123")
    path = f"/v1/programs/{program['id']}/affiliates"
    wanted = {"email": "x@affiliate.example", "ref_code": "john123"}
    refused(shop.post(path, wanted), 409, "conflict", "ref_code")
    refused(shop.patch(f"/v1/affiliates/{mary['id']}", {"ref_code": "John123"}), 409, "conflict", "ref_code")
    assert shop.affiliate(other)["ref_code"] == "JOHN123"
    assert shop.patch(f"/v1/affiliates/{john['id']}", {"ref_code": "john123"}).json()["ref_code"] == "john123"


def test_own_terms_and_limits_come_and_go(shop):
    program = shop.program(limits={"hourly": 9, "daily": 9})
    john = shop.affiliate(
        program, limits={"daily": 3}, commission={"purchase": {"type": "percentage", "value": "20"}}
    )
    path = f"/v1/affiliates/{john['id']}"
    assert john["limits"] == {"hourly": None, "daily": 3}
    assert shop.track(program).json()["commission"] == 19.99
    changed = shop.patch(path, {"commission": {"signup": {"type": "fixed", "value": "1"}}}).json()
    assert set(changed["commission"]) == {"purchase", "signup"}
    changed = shop.patch(path, {"commission": {"purchase": None}}).json()
    assert set(changed["commission"]) == {"signup"}
    assert shop.track(program, customer_email="b@example.com").json()["commission"] == 9.99
    changed = shop.patch(path, {"commission": None, "limits": None}).json()
    assert (changed["commission"], changed["limits"]) == (None, None)


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"email": "nobody"}, ["email"]),
        ({"email": None}, ["email"]),
        ({"ref_code": "ab"}, ["ref_code"]),
        ({"ref_code": "a b c"}, ["ref_code"]),
        ({"ref_code": "x" * 65}, ["ref_code"]),
        ({"ref_code": "naïve"}, ["ref_code"]),
        ({"status": "gone"}, ["status"]),
        ({"limits": {"hourly": "2"}}, ["limits.hourly"]),
        ({"commission": {"purchase": {"type": "fixed", "value": "0.001"}}}, ["commission.purchase.value"]),
        ({"known_addresses": ["300.1.1.1"]}, ["known_addresses.0"]),
        ({"known_addresses": ["198.51.100.0/24", "10.0.0.0/33"]}, ["known_addresses.1"]),
        (
            {"known_addresses": ["10.0.0.0/8", "0.0.0.0/0", "12.0.0.0/7"]},
            ["known_addresses.1", "known_addresses.2"],
        ),
        ({"known_addresses": ["2000::/19", "::/0", "2000::/18"]}, ["known_addresses.1", "known_addresses.2"]),
        ({"known_addresses": ["fe80::1%eth0"]}, ["known_addresses.0"]),
        ({"policy": {"signals": {"email.role": {"points": 101}}}}, ["policy.signals.email.role.points"]),
    ],
)
def test_bad_affiliates_are_refused_with_every_field_named(shop, wanted, fields):
    program = shop.program()
    body = {"email": "x@affiliate.example"} | wanted
    refused(shop.post(f"/v1/programs/{program['id']}/affiliates", body), 400, "invalid_request", *fields)
    john = shop.affiliate(program)
    refused(shop.patch(f"/v1/affiliates/{john['id']}", wanted), 400, "invalid_request", *fields)


def test_known_addresses_are_kept_in_one_spelling(shop):
    john = shop.affiliate(
        shop.program(), known_addresses=["2001:DB8::1", "198.51.100.77/24", "::ffff:1.2.3.4"]
    )
    assert john["known_addresses"] == ["2001:db8::1", "198.51.100.0/24", "1.2.3.4"]


def test_a_paused_affiliate_earns_nothing(shop):
    program = shop.program()
    john = shop.affiliate(program)
    shop.patch(f"/v1/affiliates/{john['id']}", {"status": "paused"})
    assert shop.track(program).status_code == 404


def test_the_audit_holds_no_whole_address(shop):
    shop.affiliate(shop.program(), known_addresses=["198.51.100.7"])
    text = shop.get("/v1/audit").text
    assert "john@" not in text and "198.51.100.7" not in text
    assert "j…@affiliate.example" in text


# ── coupons ──────────────────────────────────────────────────────────────────────────────────────


def test_a_coupon_belongs_to_an_affiliate_of_the_program(shop):
    program = shop.program()
    john = shop.affiliate(program)
    made = shop.coupon(program, john, starts_at="2026-01-01T00:00:00+01:00", ends_at="2027-01-01T00:00:00Z")
    assert (made["object"], made["affiliate_id"], made["active"]) == ("coupon", john["id"], True)
    assert made["starts_at"] == "2025-12-31T23:00:00.000Z"
    assert shop.track(program, coupon_code="save20", ref_code=None).status_code == 200
    assert shop.get(f"/v1/programs/{program['id']}/coupons").json()["data"] == [made]
    off = shop.patch(f"/v1/coupons/{made['id']}", {"active": False, "ends_at": None}).json()
    assert (off["active"], off["ends_at"], off["starts_at"]) == (False, None, made["starts_at"])
    assert shop.track(program, coupon_code="SAVE20", ref_code=None).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"affiliate_id": "aff_00000000000000000000000000"}, ["affiliate_id"]),
        ({"code": ""}, ["code"]),
        ({"code": "x" * 65}, ["code"]),
        ({"starts_at": "2026-13-01T00:00:00Z"}, ["starts_at"]),
        ({"starts_at": "2026-01-01"}, ["starts_at"]),
        ({"starts_at": "2026-01-01T00:00:00"}, ["starts_at"]),
        ({"starts_at": 1767225600}, ["starts_at"]),
        ({"starts_at": "0001-01-01T00:00:00+23:59"}, ["starts_at"]),
        ({"starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-02-01T00:00:00Z"}, ["ends_at"]),
        ({"active": 1}, ["active"]),
    ],
)
def test_bad_coupons_are_refused(shop, wanted, fields):
    program = shop.program()
    john = shop.affiliate(program)
    body = {"affiliate_id": john["id"], "code": "SPRING"} | wanted
    refused(shop.post(f"/v1/programs/{program['id']}/coupons", body), 400, "invalid_request", *fields)
    coupon = shop.coupon(program, john)
    refused(shop.patch(f"/v1/coupons/{coupon['id']}", wanted), 400, "invalid_request", *fields)


def test_coupon_codes_are_unique_within_a_program_and_affiliates_stay_within_theirs(shop):
    program, other = shop.program(), shop.program(name="Other")
    john, jane = shop.affiliate(program), shop.affiliate(other)
    shop.coupon(program, john)
    path = f"/v1/programs/{program['id']}/coupons"
    refused(shop.post(path, {"affiliate_id": john["id"], "code": " save20 "}), 409, "conflict", "code")
    refused(
        shop.post(path, {"affiliate_id": jane["id"], "code": "JANE"}), 400, "invalid_request", "affiliate_id"
    )
    assert shop.coupon(other, jane)["code"] == "SAVE20"


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


def test_a_blocked_domain_is_refused_until_the_entry_is_removed(shop, clock):
    program = shop.program()
    shop.affiliate(program)
    wanted = {"action": "block", "kind": "domain", "value": " Example.COM ", "note": "chargebacks"}
    entry = shop.made("/v1/lists", wanted)
    assert (entry["object"], entry["value"], entry["expires_at"]) == ("list_entry", "example.com", None)
    refused(shop.track(program), 400, "blocked")
    assert shop.get("/v1/lists", action="block").json()["data"] == [entry]
    assert shop.get("/v1/lists", kind="mailbox").json()["data"] == []
    clock.advance_s(1)
    removed = shop("DELETE", f"/v1/lists/{entry['id']}")
    assert removed.json() == {"id": entry["id"], "object": "list_entry", "deleted": True}
    assert shop.track(program).status_code == 200
    refused(shop("DELETE", f"/v1/lists/{entry['id']}"), 404, "not_found")
    assert actions(shop)[0] == "list_entry.removed"


def test_an_equal_entry_is_one_too_many(shop, clock):
    program = shop.program()
    wanted = {
        "action": "block",
        "kind": "domain",
        "value": "example.com",
        "expires_at": "2026-09-21T14:13:25Z",
    }
    entry = shop.made("/v1/lists", wanted)
    again = wanted | {"value": "@EXAMPLE.com", "note": "again", "expires_at": None}
    assert entry["id"] in refused(shop.post("/v1/lists", again), 409, "conflict", "value")["message"]
    for other in ({"action": "allow"}, {"program_id": program["id"]}, {"value": "example.org"}):
        shop.made("/v1/lists", again | other)
    assert shop.post("/v1/lists", again | {"program_id": program["id"]}).status_code == 409
    clock.advance_s(10)
    shop.made("/v1/lists", again)  # the first holds no more


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("domain", "example.com", "the domain of the customer's mailbox"),
        ("address_range", "81.2.69.0/24", "the customer's address"),
    ],
)
def test_a_blocked_report_is_explained_by_the_entry(shop, kind, value, words):
    program = shop.program()
    shop.affiliate(program)
    entry = shop.made("/v1/lists", {"action": "block", "kind": kind, "value": value})
    refused(shop.track(program, customer_ip="81.2.69.160"), 400, "blocked")
    (attempt,) = shop.get("/v1/attempts").json()["data"]
    told = shop.get(f"/v1/attempts/{attempt['id']}").json()["explanation"]
    assert f"names {words} (entry {entry['id']})." in str(told)


def test_an_entry_ends_when_it_says(shop, clock):
    program = shop.program()
    john = shop.affiliate(program)
    wanted = {
        "action": "block",
        "kind": "affiliate",
        "value": john["id"],
        "expires_at": "2026-09-21T14:13:21Z",
    }
    shop.made("/v1/lists", wanted)
    refused(shop.track(program), 400, "blocked")
    clock.advance_s(1)
    assert shop.track(program).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({"action": "ignore"}, ["action"]),
        ({"kind": "country"}, ["kind"]),
        ({"value": ""}, ["value"]),
        ({"value": "no domain"}, ["value"]),
        ({"kind": "address_range", "value": "10.0.0.0/99"}, ["value"]),
        ({"kind": "mailbox", "value": "nobody"}, ["value"]),
        ({"kind": "affiliate", "value": "aff_00000000000000000000000000"}, ["value"]),
        ({"program_id": "prog_00000000000000000000000000"}, ["program_id"]),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ["expires_at"]),
        ({"note": "x" * 501}, ["note"]),
    ],
)
def test_bad_entries_are_refused(shop, wanted, fields):
    body = {"action": "block", "kind": "domain", "value": "example.com"} | wanted
    refused(shop.post("/v1/lists", body), 400, "invalid_request", *fields)
