"""What an address looks like, and whether its like was seen before."""

import re
import string
from functools import lru_cache

from refledger.core import emails
from refledger.core.emails import Email, words
from refledger.core.fraud.case import Case
from refledger.core.fraud.sightings import KINDS
from refledger.core.fraud.signal import CLEAR, Finding, Signal, fired
from refledger.core.programs import DAY_MS

# The whole local part, so that contest@ and mario.testino@ pass.
_TEST = re.compile(
    r"(tests?|testing|tester|testtest|demo|dummy|fake|sample|example|foo|foobar|foo[._-]bar|foobarbaz|asdf?|"
    r"asdfg|asdfgh|asdfghjkl?|asdasd|qwer?|qwert|qwerty|qwertz|qweqwe|qwertyuiop|azerty|zxcv|zxcvbn?m?|qazwsx|"
    r"a{3,}|x{3,}|z{3,}|abc123|abcd|abcdef|temp|tmp|trash|bogus|nobody|noone|none|null|undefined|"
    r"lorem|lorem[._-]?ipsum)"
    r"(?:[._-]?(?:test|user|account|acct|mail|email|customer|person))?[._-]?\d*"
)
# T. Ester and Dem O'… write themselves so, whatever their mailbox's name looks like without the dot.
_INITIAL = re.compile(r"(?:[a-z][._-][a-z]{4,}|[a-z]{4,}[._-][a-z])\d*")
_REPEAT = re.compile(r"([a-z])\1{3,}")
_ONE_DIGIT = re.compile(r"(\d)\1{3,}")
# Runs no name contains; "erty" (liberty) and "wert" (wertheim) are left out for that.
_KEYBOARD = re.compile(
    r"asdf|sdfg|dfgh|fghj|ghjk|hjkl|lkjh|kjhg|fdsa|qwer|poiuy|zxcv|xcvb|cvbn|vbnm|mnbv|yxcv|azert|qazw"
)
_DIGITS = re.compile(r"\d{6,}$")
# Where a number is the usual name, its digits say nothing.
_NUMBERED = frozenset({"qq.com", "vip.qq.com", "163.com", "126.com", "139.com", "189.cn", "wo.cn"})
_ROLE = words(
    """abuse accounting accounts admin administrator all billing board booking bookings careers ceo contact
    contactus dev enquiries enquiry everyone feedback finance hello help helpdesk hi hostmaster hr info
    information inquiries inquiry invoice invoices it jobs kontakt legal mail mailbox marketing media news
    newsletter noc no-reply noreply office order orders payments postmaster press privacy purchasing reception
    recruiting reservations root sales security service shop staff subscribe support sysadmin team tech
    webmaster welcome"""
)
# A domain name put together from these, in either order, at the beginning of a label or behind a hyphen or a
# digit: contemporarymail and antispammail pass.
_LOOKALIKE = re.compile(
    r"(?:^|[.\d-])(?:my|your|the|get|free|easy|fast|new)?(temp|tempo|tmp|temporary|trash|throw|throwaway|"
    r"disposable|burner|fake|spam|junk|dump|onetime|one-time|\d+-?min(?:ute)?s?|minutes?)-?((?:e-?)?mails?|inbox|mailbox)"
    r"|(?:^|[.-])((?:e-?)?mail|inbox)-?(temp|tmp|temporary|trash|throwaway|disposable|burner|fake)(?=[.\d-])"
)


def test_pattern(case: Case) -> Finding:
    email = case.email
    match = _TEST.fullmatch(email.local)
    if match is None and not _INITIAL.fullmatch(email.local):
        match = _TEST.fullmatch(_name(email))
    return fired({"word": match[1]}) if match else CLEAR


def _name(email: Email) -> str:
    """The mailbox's own, without what its provider says makes no difference: te.st@gmail.com is test."""
    return email.mailbox.rpartition("@")[0]


def plus_numeric(case: Case) -> Finding:
    tag = _number(case.email.tag)
    if tag is None:
        return CLEAR
    return fired({"tag": tag if len(tag) <= 4 else f"{tag[:2]}…"})  # a longer number may be a telephone's


def _number(tag: str | None) -> str | None:
    """The number that a tag is, whatever signs stand around it: user++1@, user+_1@."""
    bare = tag.strip(string.punctuation) if tag else ""
    return bare if bare.isdecimal() else None


def plus_tag(case: Case) -> Finding:
    tag = case.email.tag
    return CLEAR if tag is None or _number(tag) else fired({"tag_length": len(tag)})


def mailbox_reuse(case: Case) -> Finding:
    others = case.mailbox_spellings
    if others < 1:
        return CLEAR
    return fired({"spellings": others + 1, "days": 90}, level=0 if others == 1 else 1)


def sequence(case: Case) -> Finding:
    others = case.sightings.get("email.sequence", 0)
    return fired({"customers": others + 1, "days": _DAYS}) if others >= 2 else CLEAR


def role(case: Case) -> Finding:
    local = case.email.local
    return fired({"role": local}) if local in _ROLE else CLEAR


def repeat(case: Case) -> Finding:
    local = case.email.local
    if _REPEAT.search(local):
        return fired({"kind": "one letter over and over"})
    # Where a number is the usual name, one like this is a fine one.
    if _ONE_DIGIT.fullmatch(local) and case.email.domain not in _NUMBERED:
        return fired({"kind": "one digit over and over"})
    return fired({"kind": "a run along the keyboard"}) if _KEYBOARD.search(local) else CLEAR


def digits_tail(case: Case) -> Finding:
    email = case.email
    match = _DIGITS.search(email.local) or _DIGITS.search(_name(email))
    if match is None or (match.start() == 0 and email.domain in _NUMBERED):
        return CLEAR
    return fired({"digits": len(match[0])})


def disposable_lookalike(case: Case) -> Finding:
    built_of = None if case.email.generic else _lookalike(case.email.domain)
    return fired({"words": built_of}) if built_of else CLEAR


@lru_cache(maxsize=16_384)
def _lookalike(domain: str) -> str | None:
    if emails.relay(domain) or emails.disposable(domain):
        return None
    match = _LOOKALIKE.search(domain)
    return " + ".join(word for word in match.groups() if word) if match else None


_DAYS = KINDS["email.sequence"] // DAY_MS
_NEEDS = ("email",)
SIGNALS = (
    Signal(
        "email.test_pattern",
        "a local part typed for a test",
        test_pattern,
        (45,),
        'The e-mail address looks like one typed for a test ("{word}").',
        _NEEDS,
    ),
    Signal(
        "email.plus_numeric",
        "a numbered plus-tag",
        plus_numeric,
        (45,),
        "The e-mail address has a number behind a plus sign (+{tag}), as series of invented customers do.",
        _NEEDS,
    ),
    Signal(
        "email.plus_tag",
        "a plus-tag in words",
        plus_tag,
        (10,),
        "The e-mail address has a tag behind a plus sign.",
        _NEEDS,
    ),
    Signal(
        "email.mailbox_reuse",
        "one mailbox under several spellings",
        mailbox_reuse,
        (50, 70),
        "The same mailbox was used under {spellings} different spellings in this program within {days}.",
        _NEEDS,
    ),
    Signal(
        "email.sequence",
        "customers whose addresses differ only in a trailing number",
        sequence,
        (45,),
        "{customers} customers of this affiliate within {days} differ only by a number in the address.",
        _NEEDS,
    ),
    Signal(
        "email.role",
        "a mailbox of an office rather than a person",
        role,
        (5,),
        "The address is that of an office rather than a person ({role}@).",
        _NEEDS,
    ),
    Signal(
        "email.repeat",
        "repeated letters or keyboard runs",
        repeat,
        (15,),
        "The name in the e-mail address is typed without meaning: {kind}.",
        _NEEDS,
    ),
    Signal(
        "email.digits_tail",
        "six or more trailing digits",
        digits_tail,
        (10,),
        "The name in the e-mail address ends in {digits} digits.",
        _NEEDS,
    ),
    Signal(
        "email.disposable_lookalike",
        "an unlisted domain built of temp-mail words",
        disposable_lookalike,
        (45,),
        "The e-mail domain is named like a throw-away mail service ({words}).",
        _NEEDS,
    ),
)
