"""Mailboxes behind spellings, and throw-away domains."""

import pytest
from disposable_email_domains import blocklist
from hypothesis import example, given
from hypothesis import strategies as st

from refledger.core import emails


@pytest.mark.parametrize(
    "text",
    [
        "",
        "joe",
        "joe@",
        "@b.com",
        "joe@b",
        "joe@@b.com",
        "jo e@b.com",
        "joe@b..com",
        "joe@x.invalid",
        "joe@localhost",
        '"a b"@x.com',
        "joe@[1.2.3.4]",
        "<joe@x.com>",
        "a" * 400 + "@x.com",
        "joe@x.com\x00",
        "joe\n@x.com",
        "\ud800@x.com",
    ],
)
def test_bad_syntax_is_none(text):
    assert emails.parse(text) is None


def test_the_parts():
    email = emails.parse("  Joe.Blogs+News@Firma.DE ")
    assert email == emails.Email(
        "joe.blogs+news@firma.de", "joe.blogs", "firma.de", "news", "joe.blogs@firma.de", generic=False
    )


def test_domains_are_ascii_and_the_address_is_as_written():
    email = emails.parse("Jo@Exämple.de")
    assert (email.address, email.domain) == ("jo@exämple.de", "xn--exmple-cua.de")


def test_trials_may_use_test_domains():
    assert emails.parse("joe@shop.test") is not None


@pytest.mark.parametrize(
    ("spelling", "mailbox"),
    [
        ("j.o.e+x@googlemail.com", "joe@gmail.com"),
        ("Joe@Gmail.com", "joe@gmail.com"),
        ("joe.b@firma.de", "joe.b@firma.de"),
        ("joe+1@firma.de", "joe@firma.de"),
        ("joe+1+2@firma.de", "joe@firma.de"),
        ("+1@firma.de", "+1@firma.de"),
        ("joe+@firma.de", "joe@firma.de"),
        ("joe.b+x@outlook.com", "joe.b@outlook.com"),
        ("joe-shop@yahoo.com", "joe@yahoo.com"),
        ("joe-shop@yahoo.co.uk", "joe@yahoo.co.uk"),
        ("joe-shop@ymail.com", "joe@ymail.com"),
        ("joe-shop@yahoo.firma.de", "joe-shop@yahoo.firma.de"),
        ("joe-shop@firma.de", "joe-shop@firma.de"),
        ("joe+x@fastmail.com", "joe@fastmail.com"),
        ("shop+x@joe.fastmail.com", "joe@fastmail.com"),
        ("j.o-e_+x@protonmail.com", "joe@proton.me"),
        ("joe@pm.me", "joe@proton.me"),
        ("joe+x@me.com", "joe@icloud.com"),
        ("joe@mac.com", "joe@icloud.com"),
        ("j.oe@ya.ru", "j-oe@yandex.ru"),
        ("j-oe@yandex.com", "j-oe@yandex.ru"),
    ],
)
def test_mailbox(spelling, mailbox):
    assert emails.parse(spelling).mailbox == mailbox


@pytest.mark.parametrize(
    ("domain", "generic"),
    [
        ("gmail.com", True),
        ("hotmail.co.uk", True),
        ("yahoo.com.br", True),
        ("t-online.de", True),
        ("qq.com", True),
        ("joe.fastmail.com", True),
        ("example.com", True),
        ("duck.com", True),
        ("firma.de", False),
        ("mail.firma.de", False),
        ("yahoo.firma.de", False),
        ("notgmail.com", False),
    ],
)
def test_generic(domain, generic):
    assert emails.parse(f"a@{domain}").generic is generic


@pytest.mark.parametrize(
    ("domain", "entry"),
    [
        ("tempmail.com", "tempmail.com"),
        ("inbox.tempmail.com", "tempmail.com"),
        ("a.b.mailinator.com", "mailinator.com"),
        ("mailinator.com", "mailinator.com"),
        ("com", None),
        ("gmail.com", None),
        ("example.com", None),
        ("duck.com", None),
        ("privaterelay.appleid.com", None),
        ("mozmail.com", None),
        ("joe.mozmail.com", None),
        ("opayq.com", None),
        ("icloud.com", None),
        ("nottempmail.com", None),
    ],
)
def test_disposable(domain, entry):
    assert emails.disposable(domain) == entry


def test_the_supplement_supplements():
    assert emails.SUPPLEMENT.isdisjoint(blocklist)
    assert "tempmail.com" in emails.SUPPLEMENT


def test_no_list_names_a_whole_top_level_domain_and_all_is_normal():
    for domain in emails.SUPPLEMENT | emails.GENERIC | emails.RELAYS:
        assert "." in domain
        assert domain == domain.lower().strip(". ")


def test_nobody_is_generic_and_disposable_at_once():
    assert {each for each in emails.GENERIC if emails.disposable(each)} == set()


@given(st.one_of(st.text(max_size=400), st.emails(), st.from_regex(r"[a-z.+_-]{1,12}@[a-z.+-]{1,20}")))
@example("a" * 5_000)
def test_no_text_is_too_strange(text):
    email = emails.parse(text)
    if email:
        emails.disposable(email.domain)
        assert email.domain.isascii()


LOCALS = st.from_regex(r"[a-z0-9]([a-z0-9._+-]{0,10}[a-z0-9])?", fullmatch=True)
PROVIDERS = st.sampled_from(
    [
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "pm.me",
        "mac.com",
        "ya.ru",
        "outlook.com",
        "fastmail.com",
        "joe.fastmail.com",
        "firma.de",
    ]
)


@given(LOCALS, PROVIDERS)
@example("joe.+1", "firma.de")
@example("joe.-1", "yahoo.com")
@example("-.+1", "pm.me")
def test_a_mailbox_is_its_own_mailbox(local, domain):
    email = emails.parse(f"{local}@{domain}")
    if email:
        assert emails.parse(email.mailbox).mailbox == email.mailbox


_local = st.text("abcXYZ019.+-_!#'é \"@", min_size=1, max_size=70)
_host = st.text("abcXYZ09.-é", min_size=1, max_size=40).map(lambda name: name + ".com")


@given(local=_local, domain=_host)
@example("a" * 64, "b.com")
@example("a" * 65, "b.com")
@example("a" * 64, ("b" * 60 + ".") * 3 + "com")
@example("a" * 64, ("b" * 61 + ".") * 3 + "com")
@example("a..b", "c.com")
@example("a", "-b.com")
@example("a", "xn--a.com")
def test_the_short_way_judges_as_the_library_does(local, domain):
    text = f"{local}@{domain}"
    assert emails._validated(text) == emails._by_library(text)
