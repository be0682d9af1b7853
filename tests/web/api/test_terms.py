"""Terms through the API: versions, and who recruited whom."""

from tests.web.api.test_programs import refused

TIERED = {"type": "percentage", "value": "10", "tiers": [{"from": {"conversions": 5}, "value": "12"}]}


def versions(shop, program, **query):
    return shop.get(f"/v1/programs/{program['id']}/terms/versions", **query).json()["data"]


def test_every_change_of_terms_is_kept(shop, clock):
    program = shop.program()
    path = f"/v1/programs/{program['id']}"
    for more in ({}, {"name": "Other"}):  # the second time they are the same terms
        clock.advance_s(1)
        shop.patch(path, {"commission": {"purchase": TIERED}} | more)
    clock.advance_s(1)
    shop.patch(path, {"recruiter": {"value": "5", "most": "30"}, "time_zone": "Asia/Tokyo"})
    third, second, first = versions(shop, program)
    assert [each["version"] for each in (first, second, third)] == [1, 2, 3]
    assert [each["in_force"] for each in (first, second, third)] == [False, False, True]
    assert {each["object"] for each in (first, second)} == {"terms_version"}
    assert all(each["actor"].startswith("key_") and each["affiliate_id"] is None for each in (first, third))
    assert first["terms"]["commission"] == program["commission"]
    assert second["terms"]["commission"]["purchase"] == TIERED
    assert (
        second["terms"] | {"recruiter": {"value": "5", "most": "30"}, "time_zone": "Asia/Tokyo"}
        == third["terms"]
    )


def test_an_affiliates_own_terms_have_versions_of_their_own(shop, clock):
    program = shop.program()
    affiliate = shop.affiliate(program, commission={"purchase": TIERED})
    path = f"/v1/affiliates/{affiliate['id']}"
    clock.advance_s(1)
    shop.patch(path, {"commission": None})
    shop.patch(path, {"commission": {"signup": {"type": "fixed", "value": "3"}}})
    second, first = versions(shop, program, affiliate_id=affiliate["id"])
    assert (first["terms"], first["version"], first["in_force"]) == (
        {"commission": {"purchase": TIERED}},
        1,
        False,
    )
    assert second["terms"] == {"commission": {"signup": {"type": "fixed", "value": "3"}}}
    assert second["in_force"] and second["affiliate_id"] == affiliate["id"]
    assert len(versions(shop, program)) == 1


def test_versions_of_others_are_not_found(shop, stranger):
    program = shop.program()
    response = stranger.get(f"/v1/programs/{program['id']}/terms/versions")
    refused(response, 404, "not_found")


def test_a_recruiter_is_an_affiliate_of_the_program(shop, stranger):
    program, other = shop.program(), shop.program(name="Other")
    ann = shop.affiliate(program, ref_code="ANN")
    bob = shop.affiliate(program, ref_code="BOB", recruiter_id=ann["id"])
    cid = shop.affiliate(program, ref_code="CID", recruiter_id=bob["id"])
    assert (ann["recruiter_id"], bob["recruiter_id"]) == (None, ann["id"])
    elsewhere = shop.affiliate(other, ref_code="ANN")
    theirs = stranger.affiliate(stranger.program(), ref_code="ANN")
    for wrong in (ann["id"], bob["id"], cid["id"], elsewhere["id"], theirs["id"], "aff_none"):
        response = shop.patch(f"/v1/affiliates/{ann['id']}", {"recruiter_id": wrong})
        refused(response, 400, "invalid_request", "recruiter_id")
    assert shop.patch(f"/v1/affiliates/{bob['id']}", {"recruiter_id": None}).json()["recruiter_id"] is None
    assert shop.patch(f"/v1/affiliates/{ann['id']}", {"recruiter_id": bob["id"]}).status_code == 200
