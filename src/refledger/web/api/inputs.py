"""What the management API reads: bodies and query strings. An unknown field is refused, never ignored."""

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from refledger.core.decision_reasons import REASONS
from refledger.core.intake import CONVERSION_TYPES
from refledger.core.refusals import Reason
from refledger.web.api import fields

_REASONS = ", ".join(f"`{reason}`" for reason in REASONS)
_CURSOR = re.compile(r"[a-z]{1,16}_[0-9a-z]{1,64}(\.[0-9]{1,9})?\Z")
PROGRAM_STATUSES = Literal["active", "paused", "archived"]
AFFILIATE_STATUSES = Literal["active", "paused", "banned"]
CONVERSION_STATUSES = Literal["pending", "pending_review", "approved", "rejected", "refunded", "chargeback"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Only what the call names: null is a wish, absence is none."""
        return self.model_dump(exclude_unset=True, by_alias=True)


# ── programs, affiliates, coupons ────────────────────────────────────────────────────────────────────────────────


class TierStart(Body):
    """How many conversions of the type the affiliate had in the month before, or how much revenue of them."""

    conversions: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)] = None
    revenue: fields.Decimal = None

    @model_validator(mode="after")
    def _one(self):
        if len(self.model_fields_set) != 1:
            raise ValueError("must be either conversions or revenue")
        return self


class Tier(Body):
    """A value in place of the terms' own, from so much on."""

    from_: TierStart = Field(alias="from")
    value: fields.Decimal


class Bonus(Body):
    """Once: on the conversion that follows so many of its type."""

    after: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
    value: fields.Decimal


class Terms(Body):
    """What one conversion earns: a percentage of the revenue, or a fixed sum in the program's currency."""

    type: Literal["percentage", "fixed"]
    value: fields.Decimal
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=20)] = Field(
        None, description="In rising order: the last one that the affiliate's month has reached."
    )
    bonus: Bonus = None
    cap: fields.Decimal = Field(None, description="At most this much for one conversion, without a bonus.")
    monthly_cap: fields.Decimal = Field(None, description="At most this much for an affiliate's month.")


class Recruiters(Body):
    """What an affiliate's recruiter earns: percentages of the revenue."""

    value: fields.Decimal
    most: fields.Decimal = Field(description="Affiliate and recruiter together never earn more of a sale.")


class Commission(Body):
    """Terms by type of conversion; a type that is left out stays as it is."""

    purchase: Terms = None
    signup: Terms = None


class OwnCommission(Body):
    """An affiliate's own terms by type of conversion; null: the program's hold again."""

    purchase: Terms | None = None
    signup: Terms | None = None


class Limits(Body):
    """Accepted conversions per affiliate at most."""

    hourly: fields.Limit = None
    daily: fields.Limit = None


class OwnLimits(Body):
    """An affiliate's own limits; null: the program's hold."""

    hourly: fields.Limit | None = None
    daily: fields.Limit | None = None


class _ProgramFields(Body):
    slug: fields.Slug = Field(None, description="In the links of affiliates; made from the name if left out.")
    currency: fields.Currency = Field(None, description="ISO 4217; USD if left out.")
    site_url: fields.SiteUrl = Field(
        None,
        validation_alias=AliasChoices("site_url", "site"),
        description="Where affiliates' links lead. `site` is read as well.",
    )
    allowed_hosts: list[fields.Host] = Field(
        None, max_length=100, description="Further hosts that links may lead to."
    )
    allowed_origins: list[fields.Origin] = Field(
        None, max_length=100, description="Pages that may report from a browser; empty: any."
    )
    window_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = None
    commission: Commission = None
    repeat_purchases: fields.RepeatPurchases = None
    limits: Limits = None
    attribution: Literal["last", "first"] = None
    max_revenue: fields.Decimal = Field(None, description="The largest amount a report may carry.")
    recruiter: Recruiters | None = Field(None, description="Null: recruiters earn nothing.")
    hold_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = Field(
        None, description="How long after the sale an approved commission is held."
    )
    approve_days: Annotated[int, Field(strict=True, ge=0, le=3650)] | None = Field(
        None,
        description="After so many days a verified, pending conversion is approved by itself; null: never.",
    )
    payout_minimum: fields.Decimal = Field(None, description="What is less waits for a later payout.")
    time_zone: fields.TimeZone = Field(
        None, description="Of months and periods; a name of the IANA database."
    )
    policy: fields.Overrides | None = Field(None, description="Overrides of the default policy.")
    status: PROGRAM_STATUSES = None


class NewProgram(_ProgramFields):
    name: fields.Text200


class ProgramChange(_ProgramFields):
    name: fields.Text200 = None


class _AffiliateFields(Body):
    name: fields.Name = None
    ref_code: fields.RefCode = Field(
        None, description="Unique within the program, without case; made if left out."
    )
    status: AFFILIATE_STATUSES = None
    limits: OwnLimits | None = None
    commission: OwnCommission | None = None
    recruiter_id: fields.Text200 | None = Field(
        None, description="The affiliate of the program who recruited them."
    )
    known_addresses: list[fields.KnownAddress] = Field(
        None, max_length=100, description="Addresses and ranges that are known to be the affiliate's own."
    )
    policy: fields.Overrides | None = Field(None, description="Overrides of the program's policy.")


class NewAffiliate(_AffiliateFields):
    email: fields.Email


class AffiliateChange(_AffiliateFields):
    email: fields.Email = None


class NewCoupon(Body):
    affiliate_id: fields.Text200
    code: fields.CouponCode
    starts_at: fields.Time | None = None
    ends_at: fields.Time | None = Field(None, description="The coupon is live until just before this time.")
    active: Annotated[bool, Field(strict=True)] = True


class CouponChange(Body):
    affiliate_id: fields.Text200 = None
    code: fields.CouponCode = None
    starts_at: fields.Time | None = None
    ends_at: fields.Time | None = None
    active: Annotated[bool, Field(strict=True)] = None


# ── conversions, attempts, lists ─────────────────────────────────────────────────────────────────────────────────


class Step(Body):
    """Why; kept with the conversion. A rejection for `fraud` is held against affiliate, mailbox and address."""

    reason: fields.DecisionReason | None = Field(
        None, description=f"{_REASONS}; any other text counts as `other`."
    )
    note: fields.Note | None = Field(None, description="For yourself; kept with the event and in the audit.")


class Bulk(Step):
    action: Literal["approve", "reject", "reopen", "refund", "chargeback"]
    ids: Annotated[list[fields.Text200], Field(min_length=1, max_length=500)]


class Acceptance(Body):
    affiliate_id: fields.Text200 | None = Field(None, description="Whose it is, where no live code says so.")


class Backtest(Body):
    policy: fields.Overrides | None = Field(
        None, description="In place of the program's overrides; null: as each decision was judged."
    )
    from_: fields.Time | None = Field(None, alias="from", description="Left out: 30 days before `to`.")
    to: fields.Time | None = Field(None, description="Before this time; left out: until now.")


class Forget(Body):
    email: fields.Email


class NewListEntry(Body):
    action: Literal["allow", "block"]
    kind: Literal["mailbox", "domain", "address_range", "affiliate"]
    value: fields.Text320
    program_id: fields.Text200 | None = Field(None, description="Left out: all programs.")
    expires_at: fields.Time | None = None
    note: fields.Note | None = None


# ── query strings ────────────────────────────────────────────────────────────────────────────────────────────────


def _cursor(value: Any) -> str:
    try:
        text = base64.b64decode(
            str(value).encode("ascii") + b"=" * (-len(value) % 4), b"-_", validate=True
        ).decode("ascii")
    except (ValueError, binascii.Error):
        text = ""
    if not _CURSOR.match(text):
        raise ValueError("is no cursor; use `next_cursor` of the page before")
    return text


def write_cursor(row_id: str) -> str:
    return base64.urlsafe_b64encode(row_id.encode()).decode().rstrip("=")


Cursor = Annotated[str, BeforeValidator(_cursor), WithJsonSchema({"type": "string", "maxLength": 200})]


class PageQuery(Body):
    limit: Annotated[int, Field(ge=1, le=500)] = 50
    cursor: Cursor | None = Field(None, description="`next_cursor` of the page before.")

    def filters(self) -> dict[str, Any]:
        """What narrows the listing, without what pages it."""
        return self.model_dump(exclude={"limit", "cursor"}, exclude_none=True)


class _Range(PageQuery):
    created_from: fields.QueryTime | None = None
    created_to: fields.QueryTime | None = Field(None, description="Before this time.")


class ProgramsQuery(PageQuery):
    status: PROGRAM_STATUSES | None = None


class AffiliatesQuery(PageQuery):
    status: AFFILIATE_STATUSES | None = None


class CouponsQuery(PageQuery):
    affiliate_id: fields.Text200 | None = None


class ConversionsQuery(_Range):
    program_id: fields.Text200 | None = None
    affiliate_id: fields.Text200 | None = None
    status: CONVERSION_STATUSES | None = None
    type: Literal[CONVERSION_TYPES] | None = None
    email: fields.Text320 | None = None
    order_id: fields.Text200 | None = None
    signal: fields.SignalCode | None = Field(None, description="The one that asked for the review.")


class AttemptsQuery(_Range):
    program_id: fields.Text200 | None = None
    affiliate_id: fields.Text200 | None = None
    code: Literal[tuple(reason.value for reason in Reason)] | None = None
    include_no_referral: bool = False


class ClicksQuery(_Range):
    program_id: fields.Text200 | None = None
    affiliate_id: fields.Text200 | None = None
    automated: bool = Field(False, description="Those of crawlers and prefetches, which attribute nothing.")


class AuditQuery(_Range):
    subject_id: fields.Text200 | None = None
    actor: fields.Text200 | None = None
    action: fields.Text200 | None = None


class ListsQuery(PageQuery):
    program_id: fields.Text200 | None = None
    action: Literal["allow", "block"] | None = None
    kind: Literal["mailbox", "domain", "address_range", "affiliate"] | None = None


class OfAffiliate(Body):
    affiliate_id: fields.Text200 | None = Field(
        None, description="Of this affiliate's own instead of the program's."
    )


class VersionsQuery(PageQuery, OfAffiliate):
    pass


class PolicyDiffQuery(Body):
    from_: fields.PolicyName = Field(
        "0", alias="from", description="A version, 0 for the default, or a preset."
    )
    to: fields.PolicyName | None = Field(None, description="Likewise; left out: the one in force.")


class ShadowQuery(Body):
    from_: fields.QueryTime | None = Field(None, alias="from", description="Left out: 30 days before `to`.")
    to: fields.QueryTime | None = Field(None, description="Before this time; left out: until now.")


_COLUMNS = {"starts_at": "starts_ms", "ends_at": "ends_ms", "expires_at": "expires_ms"}


def by_column(wanted: Body) -> dict[str, Any]:
    """What is given, times by the names under which they are kept."""
    return {_COLUMNS.get(name, name): value for name, value in wanted.given().items()}
