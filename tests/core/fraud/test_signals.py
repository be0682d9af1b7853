"""Each signal on both sides of its line."""

import pytest

from refledger.core import emails
from refledger.core.fraud.case import Click
from refledger.core.fraud.catalogue import BY_CODE
from refledger.core.fraud.policy import DEFAULT_POLICY
from refledger.core.fraud.scoring import judge, record
from refledger.core.fraud.sightings import KINDS, sighted
from tests.core.fraud.cases import DAY_MS, NOW_MS, SOFIA, VIVACOM, case, origin, seen, state

TYPED = """test test123 Test1 tests test.user test_2 testuser1 demo demo12 fake fake.mail dummy1 asdf asdfgh1
qwerty qwerty123 qwertz foo foo1 foobar aaa aaaa aaa1 xxx abc123 null noone lorem.ipsum test+shop"""
MEANT = """contest mario.testino testa attest latest protest tester.man fakeem demos.k democrat food foot
customer maria abc jon.testerman aa qwen latemp"""


@pytest.mark.parametrize(
    ("email", "fires"),
    [
        *((f"{local}@firma.es", True) for local in TYPED.split()),
        *((f"{local}@firma.es", False) for local in MEANT.split()),
        ("test123@gmail.com", True),
        # By the rules of the mailbox's provider; elsewhere dots and hyphens belong to the name.
        ("te.st@gmail.com", True),
        ("fa.ke12@googlemail.com", True),
        ("t.e.s.t@gmail.com", True),
        ("t-e-s-t@proton.me", True),
        ("de_mo@pm.me", True),
        ("joe@test.fastmail.com", True),
        ("test-of.shops@yahoo.com", True),
        ("te.st@firma.es", False),
        ("t-e-s-t@gmail.com", False),
        ("con.test@gmail.com", False),
        ("mario.testino@gmail.com", False),
        ("t.ester@gmail.com", False),
        ("teste.r77@gmail.com", False),
        ("customer@test.com", False),
    ],
)
def test_test_pattern(email, fires):
    assert state(case(email), "email.test_pattern") == (45 if fires else "clear")


@pytest.mark.parametrize(
    ("code", "email", "answer"),
    [
        ("email.plus_numeric", "user+1@firma.es", 45),
        ("email.plus_numeric", "user+2024@firma.es", 45),
        ("email.plus_numeric", "user++1@firma.es", 45),
        ("email.plus_numeric", "user+_1@firma.es", 45),
        ("email.plus_numeric", "user+1-@firma.es", 45),
        ("email.plus_numeric", "user+.1@firma.es", 45),
        ("email.plus_numeric", "user+1-2@firma.es", "clear"),
        ("email.plus_numeric", "user+-@firma.es", "clear"),
        ("email.plus_numeric", "user+a1@firma.es", "clear"),
        ("email.plus_numeric", "user@firma.es", "clear"),
        ("email.plus_numeric", "+1@firma.es", "clear"),
        ("email.plus_tag", "user+shop@firma.es", 10),
        ("email.plus_tag", "user+@firma.es", 10),
        ("email.plus_tag", "user+-@firma.es", 10),
        ("email.plus_tag", "user+1-2@firma.es", 10),
        ("email.plus_tag", "user+1@firma.es", "clear"),
        ("email.plus_tag", "user++1@firma.es", "clear"),
        ("email.plus_tag", "user@firma.es", "clear"),
        ("email.role", "info@firma.es", 5),
        ("email.role", "information.desk@firma.es", "clear"),
        ("email.role", "customer@example.com", "clear"),
        ("email.repeat", "aaaa@firma.es", 15),
        ("email.repeat", "joeeeee.b@firma.es", 15),
        ("email.repeat", "asdfg@firma.es", 15),
        ("email.repeat", "1111@firma.es", 15),
        ("email.repeat", "111@firma.es", "clear"),
        ("email.repeat", "11112@firma.es", "clear"),
        ("email.repeat", "joe0000@firma.es", "clear"),
        ("email.repeat", "88888@qq.com", "clear"),
        ("email.repeat", "bill.lloyd@gmail.com", "clear"),
        ("email.repeat", "liberty.wertheim@firma.es", "clear"),
        ("email.repeat", "anna.aa@firma.es", "clear"),
        ("email.digits_tail", "joe123456@firma.es", 10),
        ("email.digits_tail", "joe123.456@gmail.com", 10),
        ("email.digits_tail", "joe123456-shop@yahoo.com", 10),
        ("email.digits_tail", "joe123.456@firma.es", "clear"),
        ("email.digits_tail", "joe12345@firma.es", "clear"),
        ("email.digits_tail", "123456joe@firma.es", "clear"),
        ("email.digits_tail", "123456789@qq.com", "clear"),
        ("email.digits_tail", "123456789@firma.es", 10),
        ("email.disposable_lookalike", "joe@supertrash-mail.xyz", "clear"),
        ("email.disposable_lookalike", "joe@temp-mail-box.xyz", 45),
        ("email.disposable_lookalike", "joe@mytempmail.xyz", 45),
        ("email.disposable_lookalike", "joe@my-tempmail.xyz", 45),
        ("email.disposable_lookalike", "joe@10minutesmail.xyz", 45),
        ("email.disposable_lookalike", "joe@trash-inbox.xyz", 45),
        ("email.disposable_lookalike", "joe@mail-temp.xyz", 45),
        ("email.disposable_lookalike", "joe@contemporarymail.com", "clear"),
        ("email.disposable_lookalike", "joe@templemail.com", "clear"),
        ("email.disposable_lookalike", "joe@antispammail.com", "clear"),
        ("email.disposable_lookalike", "joe@mailtemple.com", "clear"),
        ("email.disposable_lookalike", "joe@gmail.com", "clear"),
        ("email.disposable_lookalike", "joe@duck.com", "clear"),
    ],
)
def test_email_shapes(code, email, answer):
    assert state(case(email), code) == answer


@pytest.mark.parametrize(("others", "answer"), [(0, "clear"), (1, 50), (2, 70), (9, 70)])
def test_mailbox_reuse(others, answer):
    assert state(case(mailbox_spellings=others), "email.mailbox_reuse") == answer


@pytest.mark.parametrize(
    ("code", "others", "answer"),
    [
        ("email.sequence", 1, "clear"),
        ("email.sequence", 2, 45),
        ("identity.domain_cluster", 1, "clear"),
        ("identity.domain_cluster", 2, 15),
    ],
)
def test_clusters_begin_with_the_third_customer(code, others, answer):
    assert state(case(sightings={code: others}), code) == answer


@pytest.mark.parametrize(
    ("code", "affiliate", "customer", "answer"),
    [
        ("identity.affiliate_mailbox", "joe@blog.org", "joe@blog.org", 80),
        ("identity.affiliate_mailbox", "j.oe@gmail.com", "joe+shop@googlemail.com", 80),
        ("identity.affiliate_mailbox", "joe@blog.org", "jane@blog.org", "clear"),
        ("identity.affiliate_domain", "joe@blog.org", "jane@blog.org", 40),
        ("identity.affiliate_domain", "joe@blog.org", "jane@mail.blog.org", 40),
        ("identity.affiliate_domain", "joe@mail.blog.org", "jane@blog.org", 40),
        ("identity.affiliate_domain", "joe@blog.org", "jane@weblog.org", "clear"),
        ("identity.affiliate_domain", "joe@a.blog.org", "jane@b.blog.org", "clear"),
        ("identity.affiliate_domain", "joe@firma.co.uk", "jane@m1.firma.co.uk", 40),
        # A registry's, and those of the public's providers.
        ("identity.affiliate_domain", "joe@co.uk", "jane@firma.co.uk", "clear"),
        ("identity.affiliate_domain", "joe@uk.com", "jane@firma.uk.com", "clear"),
        ("identity.affiliate_domain", "joe@gmail.com", "jane@m1.gmail.com", "clear"),
        ("identity.affiliate_domain", "joe@jane.fastmail.com", "jane@fastmail.com", "clear"),
        ("identity.affiliate_domain", "joe@gmail.com", "jane@gmail.com", "clear"),
        ("identity.affiliate_domain", "john@example.com", "customer@example.com", "clear"),
        ("identity.affiliate_domain", None, "jane@gmail.com", "no_affiliate_email"),
        ("identity.affiliate_mailbox", "joe@blog.org", None, "no_email"),
    ],
)
def test_identity(code, affiliate, customer, answer):
    known = emails.parse(affiliate) if affiliate else None
    assert state(case(customer, affiliate_email=known), code) == answer


# age of the earliest click → (too_fast, suspicious)
AGES = [
    (-1, 40, "clear"),
    (0, 40, "clear"),
    (9_999, 40, "clear"),
    (10_000, "clear", 40),
    (60_000, "clear", 40),
    (60_001, "clear", "clear"),
]


@pytest.mark.parametrize(("age_ms", "too_fast", "suspicious"), AGES)
@pytest.mark.parametrize("tie", ["click_id", "customer", "address_and_agent"])
def test_haste(age_ms, too_fast, suspicious, tie):
    hasty = case(age_ms=age_ms, click_tie=tie)
    assert (state(hasty, "timing.too_fast"), state(hasty, "timing.suspicious")) == (too_fast, suspicious)
    outcome = judge(hasty, DEFAULT_POLICY).outcome
    assert outcome == ("refuse" if too_fast == 40 else "review" if suspicious == 40 else "clear")


@pytest.mark.parametrize(
    ("age_ms", "suspicious"), [(0, 40), (9_999, 40), (10_000, 40), (60_000, 40), (60_001, "clear")]
)
def test_an_address_alone_never_refuses_haste(age_ms, suspicious):
    weak = case(age_ms=age_ms, click_tie="address")
    assert state(weak, "timing.too_fast") == ("weak_tie" if age_ms < 10_000 else "clear")
    assert state(weak, "timing.suspicious") == suspicious
    assert judge(weak, DEFAULT_POLICY).outcome == ("review" if suspicious == 40 else "clear")


def test_a_known_customers_purchase_is_looked_at_but_not_refused():
    known = case(age_ms=5_000, known_customer=True)
    assert (state(known, "timing.too_fast"), state(known, "timing.suspicious")) == ("clear", 40)
    assert judge(known, DEFAULT_POLICY).outcome == "review"
    again = case(age_ms=5_000, known_customer=True, conversion_type="signup")
    assert judge(again, DEFAULT_POLICY).outcome == "refuse"


@pytest.mark.parametrize(
    ("age_ms", "window_days", "tie", "answer"),
    [
        (30 * DAY_MS, 30, "click_id", "clear"),
        (30 * DAY_MS + 1, 30, "click_id", 40),
        (30 * DAY_MS + 1, 31, "click_id", "clear"),
        (7 * DAY_MS + 1, 7, "customer", 40),
        (30 * DAY_MS + 1, 30, "address", "weak_tie"),
    ],
)
def test_staleness(age_ms, window_days, tie, answer):
    stale = case(age_ms=age_ms, click_tie=tie, window_days=window_days)
    assert state(stale, "timing.too_slow") == answer
    assert judge(stale, DEFAULT_POLICY).outcome == ("refuse" if answer == 40 else "clear")


def test_haste_counts_from_the_earliest_and_staleness_from_the_latest_click():
    assert judge(case(age_ms=3_600_000, last_age_ms=5_000), DEFAULT_POLICY).outcome == "clear"
    assert state(case(age_ms=31 * DAY_MS, last_age_ms=DAY_MS), "timing.too_slow") == "clear"


def test_without_the_visitors_times_the_click_itself_is_taken():
    only = case(click=Click("clk_1", NOW_MS - 5_000), click_tie="click_id")
    assert state(only, "timing.too_fast") == 40


@pytest.mark.parametrize(
    "code", ["timing.too_fast", "timing.suspicious", "timing.too_slow", "click.not_navigation"]
)
def test_no_click_and_coupons_say_so(code):
    assert state(case(), code) == "no_click"
    assert state(case(via="coupon"), code) == "coupon"
    assert state(case(age_ms=5_000, dest="image", via="coupon"), code) == "coupon"


@pytest.mark.parametrize(
    ("dest", "answer"),
    [
        ("image", 50),
        ("iframe", 50),
        ("script", 50),
        ("empty", 50),
        ("document", "clear"),
        ("novelty", "clear"),
        (None, "no_destination"),
        ("", "no_destination"),
    ],
)
def test_not_navigation(dest, answer):
    assert state(case(age_ms=DAY_MS, dest=dest), "click.not_navigation") == answer


@pytest.mark.parametrize(("count", "answer"), [(1, "clear"), (2, 25), (7, 25)])
def test_confirmed_fraud(count, answer):
    assert state(case(confirmed_frauds=count), "affiliate.confirmed_fraud") == answer


@pytest.mark.parametrize(
    ("code", "fact", "points"),
    [("history.mailbox", "confirmed_mailbox", 60), ("history.address", "confirmed_address", 40)],
)
def test_history(code, fact, points):
    for count, answer in ((0, "clear"), (1, points), (5, points)):
        assert state(case(address="81.2.69.160", **{fact: count}), code) == answer
    missing = case(None, **{fact: 1})
    assert state(missing, code) == ("no_email" if code == "history.mailbox" else "no_ip")


def test_possible_duplicate():
    twice = case(None, via="coupon", repeat_sale=True)
    assert state(twice, "conversion.possible_duplicate") == 40
    assert judge(twice, DEFAULT_POLICY).outcome == "review"


def test_a_placeholder_is_exempt_from_every_email_check():
    answers = {code: state(case(None, via="coupon"), code) for code in BY_CODE if code.startswith("email.")}
    assert set(answers.values()) == {"no_email"}


@pytest.mark.parametrize(
    "sample",
    [
        {"email": "customer@example.com", "conversion_type": "signup"},
        {"email": "customer@example.com", "address": "203.0.113.42", "agent": "Mozilla/5.0..."},
        {"email": None, "via": "coupon"},
    ],
)
@pytest.mark.parametrize("known", [None, origin(None, None), origin(None, None, known=())])
def test_the_references_samples_score_nothing(sample, known):
    own = seen("9.9.9.9", place=SOFIA, operator=VIVACOM)
    facts = {"origin": known, "affiliate_seen": (own,), "affiliate_email": emails.parse("john@example.com")}
    verdict = judge(case(**facts, **sample), DEFAULT_POLICY)
    assert (verdict.score, verdict.outcome, verdict.leading) == (0, "clear", None)
    assert record(verdict)["fired"] == []


@pytest.mark.parametrize(
    ("facts", "left"),
    [
        (
            {"email": "joe12@firma.es"},
            {"email.sequence": "aff_1 joe@firma.es", "identity.domain_cluster": "aff_1 firma.es"},
        ),
        ({"email": "j.oe12@gmail.com"}, {"email.sequence": "aff_1 joe@gmail.com"}),
        ({"email": "12@gmail.com"}, {}),
        ({"email": "joe@gmail.com"}, {}),
        ({"email": None, "address": "81.2.69.160", "agent": "X"}, {}),
        (
            {"email": "joe@gmail.com", "address": "203.0.113.42", "agent": "Mozilla/5.0..."},
            {
                "ip.many_mailboxes": "aff_1 203.0.113.42/32",
                "ua.cluster": "aff_1 203.0.113.0/24 Mozilla/5.0...",
            },
        ),
        ({"email": "joe@gmail.com", "address": "10.0.0.1", "agent": "X"}, {}),
        ({"email": "joe@gmail.com", "address": "100.64.0.1", "agent": "X"}, {}),
        ({"email": "joe@gmail.com", "address": "81.2.69.160"}, {"ip.many_mailboxes": "aff_1 81.2.69.160/32"}),
        (
            {"email": "joe@gmail.com", "address": "81.2.69.160", "agent": "X 1"},
            {"ip.many_mailboxes": "aff_1 81.2.69.160/32", "ua.cluster": "aff_1 81.2.69.0/24 X 1"},
        ),
    ],
)
def test_sightings(facts, left):
    found = sighted(case(**facts))
    assert dict(found) == left
    assert len(found) == len(left)
    assert set(left) <= set(KINDS)
