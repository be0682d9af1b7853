"""Gathers what happened before for a group of works, while everything they contend for is held."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from refledger.core.attribution import stay_with_first
from refledger.core.clicks import MatchedClick, match_click, nearest
from refledger.core.conversions import History
from refledger.core.duplicates import Past
from refledger.core.emails import parse as parse_email
from refledger.core.fingerprints import address_key, agent_key, fingerprint, left_as, looked_at
from refledger.core.fraud.case import Case, Click
from refledger.core.fraud.sightings import KINDS, sighted
from refledger.core.limits import Counted
from refledger.core.programs import DAY_MS, limits_of, stored
from refledger.services import months, whereabouts
from refledger.services.claims import Work
from refledger.services.origins import Generation
from refledger.services.shelf import Shelf
from refledger.store import history, setup
from refledger.store.engine import Connection

SPELLINGS = "email.mailbox_reuse"
SPELLINGS_MS = 90 * DAY_MS
REPEAT_SALE = "conversion.repeat_sale"
REPEAT_SALE_MS = 10 * 60_000
WINDOWS_MS = {**KINDS, SPELLINGS: SPELLINGS_MS, REPEAT_SALE: REPEAT_SALE_MS}
# Whose fraud was confirmed, and for how long that is held against them.
CONFIRMED_MS = {"affiliate": 90 * DAY_MS, "mailbox": 365 * DAY_MS, "address": 90 * DAY_MS}

Customers = dict[tuple[str, str], list[Past]]


def gather(
    connection: Connection, works: Sequence[Work], shelf: Shelf, origins: Generation, now_ms: int
) -> list[Work]:
    """Fills history and case of each work. Answers those of whose earners one turns out not to be held: they must
    wait.
    """
    customers = history.of_customers(
        connection, [_pair(work, work.email_key) for work in works if work.email_key]
    )
    _stay_with_first(connection, works, customers, shelf, now_ms)
    unheld = [work for work in works if not work.earners <= work.held]
    works = [work for work in works if work.earners <= work.held]
    orders = history.of_orders(connection, [_pair(work, work.order_key) for work in works if work.order_key])
    _standings(connection, works, now_ms)
    counts, tallies = _counted(connection, works), months.gather(connection, works)
    for work, counted, tally in zip(works, counts, tallies, strict=True):
        own = tuple(customers.get(_pair(work, work.email_key), ()))
        work.history = History(own, orders.get(_pair(work, work.order_key)), counted, tally)
        work.case = _case(work, shelf)
    _clicks(connection, works)
    _sightings(connection, works)
    whereabouts.gather(connection, works, origins)
    return unheld


def _pair(work: Work, key: str | None) -> tuple[str, str | None]:
    return work.merchant_id, key


def _stay_with_first(
    connection: Connection, works: Sequence[Work], customers: Customers, shelf: Shelf, now_ms: int
) -> None:
    firsts = {}
    for work in works:
        if work.program.attribution == "first":
            # What anyone can forge must not lead a verified sale to another affiliate.
            firm = (
                past
                for past in customers.get(_pair(work, work.email_key), [])
                if past.stands and not (work.verified and past.yields_to_verified)
            )
            if first := next(firm, None):
                firsts[id(work)] = (work.merchant_id, first.affiliate_id)
    if not firsts:
        return
    found = setup.affiliates_by_id(connection, firsts.values())
    affiliates = [*found.values(), *(work.affiliate for work in works)]
    shelf.fill(connection, [work.program for work in works], affiliates)
    for work in works:
        kept = stay_with_first(work.screened.attribution, found.get(firsts.get(id(work))))
        if kept is not work.screened.attribution:
            # The lists may name affiliates, and it is another's now.
            lists, email, address = shelf.lists(work.program), work.screened.email, work.claim.address
            listed = lists.match(email, address, kept.affiliate.id, work.program.id, now_ms)
            work.screened = replace(work.screened, attribution=kept, listed=listed)


def _standings(connection: Connection, works: Sequence[Work], now_ms: int) -> None:
    found = history.standings_of(
        connection, [(work.merchant_id, work.affiliate.id, work.mode) for work in works]
    )
    for work in works:
        work.standing = found.get((work.affiliate.id, work.mode), (0, 0, 0))
        # Never before the affiliate's latest accepted conversion, whatever a clock does.
        work.now_ms = max(now_ms, work.standing[2])


def _counted(connection: Connection, works: Sequence[Work]) -> list[Counted]:
    """When the conversions were accepted that fill the limits: the affiliate's n-th, n counted back from the latest.

    Unverified claims count all; verified ones count the verified alone, so that forged calls use up nothing of theirs.
    """
    wanted, places = [], []
    for work in works:
        accepted, verified, _ = work.standing
        counts, count = ("verified", verified) if work.verified else ("accepted", accepted)
        limits, today = limits_of(work.program, work.affiliate), work.now_ms // DAY_MS
        hourly, daily = count - limits.hourly + 1, count - limits.daily + 1
        for place in {hourly, daily}:
            if 0 < place <= count:
                place_of = (work.merchant_id, work.affiliate.id, work.mode, counts, place)
                # No window reaches further back than into yesterday.
                wanted += [(*place_of, today), (*place_of, today - 1)]
        places.append((counts, limits, hourly, daily))
    times = history.times_of(connection, wanted)
    return [
        Counted(
            times.get((work.affiliate.id, work.mode, counts, hourly)) if limits.hourly else work.now_ms,
            times.get((work.affiliate.id, work.mode, counts, daily)) if limits.daily else work.now_ms,
        )
        for work, (counts, limits, hourly, daily) in zip(works, places, strict=True)
    ]


def _case(work: Work, shelf: Shelf) -> Case:
    report, affiliate = work.report, work.affiliate
    work.policy, work.policy_version = shelf.policy(work.program, affiliate)
    return Case(
        now_ms=work.now_ms,
        conversion_type=report.conversion_type,
        affiliate_id=affiliate.id,
        via=work.screened.attribution.via,
        email=work.screened.email,
        address=work.claim.address,
        agent=report.agent,
        affiliate_email=parse_email(affiliate.email),
        window_days=work.program.window_days,
        known_customer=bool(_standing(work, "signup")),
        paid_repeat=_is_paid_repeat(work),
    )


def _standing(work: Work, conversion_type: str) -> list[Past]:
    """The customer's conversions of that type that stand for this affiliate."""
    return [
        past
        for past in work.history.own
        if past.stands and past.type == conversion_type and past.affiliate_id == work.affiliate.id
    ]


def _is_paid_repeat(work: Work) -> bool:
    if work.report.conversion_type != "purchase" or stored(work.program.repeat_purchases) == "first":
        return False
    return any(not (work.verified and past.yields_to_verified) for past in _standing(work, "purchase"))


def _clicks(connection: Connection, works: Sequence[Work]) -> None:
    """The click behind each work, if any is known. Coupons need none."""
    seeking = [work for work in works if work.case.via != "coupon"]
    windows = {id(work): work.now_ms - work.program.window_days * DAY_MS for work in seeking}
    keys = {id(work): _address_key(work) for work in seeking if work.case.address}
    near = history.nearby(
        connection,
        [(work.merchant_id, keys[id(work)], windows[id(work)]) for work in seeking if id(work) in keys],
    )
    agents = {
        id(work): agent_key(work.fingerprint_key, work.case.agent) for work in seeking if id(work) in keys
    }
    nears = {each: nearest(near.get(key, ()), agents[each]) for each, key in keys.items()}
    ids = {}
    for work in seeking:
        group = nears.get(id(work))
        ids[id(work)] = (work.report.click_id, _customers_click(work), group[0].last_id if group else None)
    found = history.clicks_of(
        connection,
        [(work.merchant_id, each, windows[id(work)]) for work in seeking for each in ids[id(work)] if each],
    )
    for work in seeking:
        named, customers, last = (found.get((work.merchant_id, each)) for each in ids[id(work)])
        matched = match_click(work.affiliate.id, work.mode, named, customers, nears.get(id(work)), last)
        if matched:
            _take_click(work.case, matched)
        if work.report.click_id and not (matched and matched.tie == "click_id"):
            work.screened = replace(
                work.screened, warnings=(*work.screened.warnings, "click_id ignored: not usable")
            )


def _address_key(work: Work) -> str:
    return address_key(work.fingerprint_key, work.affiliate.id, work.mode, work.case.address.unit)


def _customers_click(work: Work) -> str | None:
    """The click of the customer's latest earlier conversion with this affiliate.

    For a verified report, of one that a verified report would not displace: a forged signup must not tie a true
    sale to a click of the forger's choosing.
    """
    mine = (
        past.click_id
        for past in reversed(work.history.own)
        if past.stands and past.affiliate_id == work.affiliate.id and past.click_id
        if not (work.verified and past.yields_to_verified)
    )
    return next(mine, None)


def _take_click(case: Case, matched: MatchedClick) -> None:
    click = matched.click
    case.click = Click(click.id, click.at_ms, click.address, click.agent, click.dest)
    case.click_tie, case.first_click_ms, case.last_click_ms = matched.tie, matched.first_ms, matched.last_ms


def _sightings(connection: Connection, works: Sequence[Work]) -> None:
    """How many other customers left what this one leaves; and how often fraud was confirmed of the affiliate, with this
    mailbox, and from this address. Of verified ones alone, where this one is verified.
    """
    wanted = []
    for place, work in enumerate(works):
        merchant_id, now_ms = work.merchant_id, work.now_ms
        texts = _texts(work, work.case)
        work.sightings = _left(work, texts, now_ms)
        asked = [
            (key, now_ms - CONFIRMED_MS[kind], kind, "")
            for kind, key in confirmed_keys(work.affiliate.id, work.mode, work.known_as).items()
        ]
        for kind, key, own in texts:
            since_ms = now_ms - WINDOWS_MS[kind]
            # A window reaches into the span before its own, and no further.
            asked += [(_dated(kind, key, at_ms), since_ms, kind, own) for at_ms in (now_ms, since_ms)]
        wanted += [
            (merchant_id, each, since_ms, f"{place}:{kind}", own)
            for key, since_ms, kind, own in asked
            for each in looked_at(key, work.verified)
        ]
    seen = history.seen(connection, wanted)
    for place, work in enumerate(works):
        case = work.case
        case.sightings = {kind: seen.get(f"{place}:{kind}", 0) for kind, _, _ in work.sightings}
        case.mailbox_spellings = case.sightings.pop(SPELLINGS, 0)
        case.confirmed_frauds = seen.get(f"{place}:affiliate", 0)
        case.confirmed_mailbox = seen.get(f"{place}:mailbox", 0)
        case.confirmed_address = seen.get(f"{place}:address", 0)
        case.repeat_sale = case.sightings.pop(REPEAT_SALE, 0) > 0


def left_by(work: Work, case: Case, at_ms: int) -> list[tuple[str, str, str]]:
    """What this work leaves at that time to be compared with: kind, dated sighting key, and whose it is."""
    return _left(work, _texts(work, case), at_ms)


def _left(work: Work, texts: list[tuple[str, str, str]], at_ms: int) -> list[tuple[str, str, str]]:
    return [(kind, left_as(_dated(kind, key, at_ms), work.verified), own) for kind, key, own in texts]


def _texts(work: Work, case: Case) -> list[tuple[str, str, str]]:
    """Kind, sighting key without its date, and whose it is.

    What is compared within one affiliate begins with the end of their id: it lies together in the index, where
    random keys would touch a page each.
    """
    texts = sighted(case)
    if _is_anonymous(work):
        texts.append((REPEAT_SALE, _sale(work)))
    customer_key = work.mailbox_key or work.conversion_id
    near, scope = work.affiliate.id[-6:], (work.program.id, work.mode)
    left = [
        (kind, near + fingerprint(work.fingerprint_key, "sighting", kind, *scope, text)[:16], customer_key)
        for kind, text in texts
    ]
    if case.email:
        left.append((SPELLINGS, work.mailbox_key, work.email_key))
    return left


def _dated(kind: str, key: str, at_ms: int) -> str:
    """The key within its span of time, as long as the kind's window: what is new lies together in the index."""
    return f"{at_ms // WINDOWS_MS[kind]:x}.{key}"


def confirmed_keys(affiliate_id: str, mode: str, known_as: Mapping[str, str]) -> dict[str, str]:
    """Whose → the sighting key under which their confirmed frauds are kept, as `left_as` tells them apart."""
    return {
        "affiliate": f"{history.CONFIRMED}affiliate.{mode}.{affiliate_id}",
        **{kind: f"{history.CONFIRMED}{kind}.{known}" for kind, known in known_as.items()},
    }


def _is_anonymous(work: Work) -> bool:
    """A coupon sale that nothing tells from an equal one: no e-mail, no order id, no idempotency key."""
    report = work.report
    return not (work.screened.email or report.order_id or work.claim.idempotency_key)


def _sale(work: Work) -> str:
    report, address = work.report, work.claim.address
    told = (
        (report.coupon_code or "").casefold(),
        report.conversion_type,
        str(work.screened.revenue_minor),
        address.text if address else "",
        report.agent or "",
    )
    return "\x1f".join(told)
