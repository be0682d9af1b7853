"""Mailboxes behind spellings, by the examples that the providers themselves give, and by what they keep apart."""

import pytest
from disposable_email_domains import blocklist

from refledger.core import emails
from refledger.core.mailboxes import DOMAINS, PROVIDERS, provider

ONE_MAILBOX = {
    # support.google.com/mail/answer/7436150 and 10313
    "Gmail": ["johnsmith@gmail.com", "john.smith@gmail.com", "j.o.h.n.s.m.i.t.h@gmail.com", "JohnSmith@Gmail.com",
              "johnsmith+shop@googlemail.com"],
    # learn.microsoft.com, plus addressing
    "Outlook": ["sean@outlook.com", "sean+newsletter@outlook.com"],
    "Hotmail": ["sean@hotmail.co.uk", "sean+newsletter@hotmail.co.uk"],
    # help.yahoo.com, disposable addresses
    "Yahoo": ["base@yahoo.com", "base-shop@yahoo.com", "base-news@yahoo.com", "base+x@yahoo.com"],
    "Yahoo in France": ["base-shop@yahoo.fr", "base-news@yahoo.fr"],
    "Rocketmail": ["base-shop@rocketmail.com", "base-news@rocketmail.com"],
    # proton.me/support/change-username, addresses-and-aliases
    "Proton": ["username@proton.me", "user_name@proton.me", "user.name@protonmail.com", "user-name@pm.me",
               "USERNAME+shop@protonmail.ch"],
    # support.apple.com/118230
    "iCloud": ["jo.doe@icloud.com", "jo.doe@me.com", "jo.doe@mac.com", "jo.doe+x@icloud.com"],
    # yandex.com/support/id/authorization/email.html
    "Yandex": ["a-b@yandex.ru", "a.b@yandex.com", "a-b@ya.ru", "a.b+x@yandex.kz", "a-b@narod.ru"],
    # fastmail.help, 360060591053; fastmail.com/blog/two-address-resolving-additions
    "Fastmail": ["joecitizen@fastmail.fm", "joecitizen+anything@fastmail.fm", "anything@joecitizen.fastmail.fm"],
    "Fastmail elsewhere": ["example@sent.com", "alpha@example.sent.com", "beta@example.sent.com"],
    "a company": ["joe.b@firma.de", "joe.b+x@firma.de", "Joe.B+y@FIRMA.de"],
}  # fmt: skip
STRANGERS = {
    "names": ["john@gmail.com", "johns@gmail.com", "john-smith@gmail.com", "john_smith@gmail.com"],
    "Gmail and others": ["joe@gmail.com", "joe@gmail.de", "joe@mail.gmail.com", "joe@notgmail.com"],
    "Outlook's dots and domains": ["jo.e@outlook.com", "joe@outlook.com", "jo-e@outlook.com", "joe@hotmail.com",
                                   "joe@live.com", "joe@outlook.de"],
    "Yahoo's domains, dots and bases": ["joe@yahoo.com", "jo.e@yahoo.com", "joe@yahoo.fr", "joe@ymail.com",
                                        "jo-e@yahoo.com"],
    "no Yahoo": ["joe-shop@yahoo.firma.de", "joe@yahoo.firma.de", "joe-news@yahoo.firma.de"],
    "Apple's dots": ["jo.doe@icloud.com", "jodoe@icloud.com", "jo-doe@icloud.com", "jodoe@privaterelay.appleid.com"],
    "Yandex keeps letters": ["a-b@yandex.ru", "ab@yandex.ru", "a_b@yandex.ru", "a-b@yandex.firma.ru"],
    "Fastmail's domains and dots": ["joe@fastmail.com", "joe@fastmail.fm", "jo.e@fastmail.com", "jo_e@fastmail.com"],
    "Fastmail's own host, no user": ["joe@mail.firma.de", "x@joe.firma.de", "joe@firma.de"],
    "a company at Google": ["jo.e@firma.de", "joe@firma.de", "jo-e@firma.de", "jo_e@firma.de"],
    "tutanota, gmx, mail.ru": ["jo.e@tutanota.com", "joe@tutanota.com", "joe@gmx.de", "joe@gmx.net", "joe@mail.ru",
                               "jo.e@mail.ru"],
}  # fmt: skip


def mailboxes(addresses):
    return {emails.parse(each).mailbox for each in addresses}


@pytest.mark.parametrize("addresses", ONE_MAILBOX.values(), ids=ONE_MAILBOX)
def test_spellings_of_one_mailbox(addresses):
    assert len(mailboxes(addresses)) == 1


@pytest.mark.parametrize("addresses", STRANGERS.values(), ids=STRANGERS)
def test_strangers_stay_apart(addresses):
    assert len(mailboxes(addresses)) == len(addresses)


@pytest.mark.parametrize("addresses", ONE_MAILBOX.values(), ids=ONE_MAILBOX)
def test_folded_again_it_is_the_same(addresses):
    (mailbox,) = mailboxes(addresses)
    assert mailboxes([mailbox]) == {mailbox}


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("...@proton.me", None),
        ("-.@yahoo.com", None),
        ("-@yahoo.com", "-@yahoo.com"),
        ("-_-@proton.me", "-_-@proton.me"),
        ("joe.+tag@gmail.com", "joe@gmail.com"),
        ("jo.e.-x@yahoo.com", "jo.e@yahoo.com"),
    ],
)
def test_a_name_never_becomes_nothing(address, mailbox):
    email = emails.parse(address)
    assert (email and email.mailbox) == mailbox


def test_every_provider_says_where_it_is_written():
    assert all(each.sources and all(url.startswith("http") for url in each.sources) for each in PROVIDERS)


def test_a_domain_is_one_providers():
    assert sum(len(each.domains) for each in PROVIDERS) == len(DOMAINS)
    assert all(each == each.lower() and "." in each for each in DOMAINS)
    assert provider("yahoo.co.uk").name == "Yahoo" and provider("hotmail.co.uk") is None


def test_providers_are_public_and_not_thrown_away():
    assert [each for each in DOMAINS if not emails.is_generic(each)] == []
    assert sorted(DOMAINS & blocklist) == []
