"""What the management API answers, for the OpenAPI document; `render` makes it, and tests hold the two together."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from refledger.core.refusals import Reason
from refledger.web.api import fields
from refledger.web.api.inputs import AFFILIATE_STATUSES, CONVERSION_STATUSES, PROGRAM_STATUSES


class Shown(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Object(Shown):
    id: str
    created_at: datetime
    mode: fields.Mode


class Money(Shown):
    amount_minor: int = Field(description="In the currency's minor unit.", examples=[999])
    amount: str = Field(description="In major units, with all decimals.", examples=["9.99"])
    currency: str = Field(examples=["USD"])


class Error(Shown):
    """Every error. `code` is stable; `error` and `message` are words."""

    error: str
    message: str | None = None
    code: Literal[tuple(reason.value for reason in Reason)]
    fields: list[str] | None = Field(None, description="The fields that are wrong.")
    errors: dict[str, list[str]] | None = Field(None, description="What is wrong with each field.")
    retry_after: int | None = Field(None, description="Seconds to wait.")
    conversion_id: str | None = None
    reason: dict[str, Any] | None = None
    request_id: str


class TierStart(Shown):
    conversions: int | None = None
    revenue: str | None = None


class Tier(Shown):
    from_: TierStart = Field(alias="from")
    value: str


class Bonus(Shown):
    after: int
    value: str


class Terms(Shown):
    type: Literal["percentage", "fixed"]
    value: str
    tiers: list[Tier] | None = None
    bonus: Bonus | None = None
    cap: str | None = None
    monthly_cap: str | None = None


class Recruiters(Shown):
    value: str
    most: str


class ProgramCommission(Shown):
    purchase: Terms
    signup: Terms


class AffiliateCommission(Shown):
    purchase: Terms | None = None
    signup: Terms | None = None


class ProgramLimits(Shown):
    hourly: int
    daily: int


class AffiliateLimits(Shown):
    hourly: int | None
    daily: int | None


class Program(Object):
    object: Literal["program"]
    name: str
    slug: str
    currency: str
    site_url: str | None
    allowed_hosts: list[str]
    allowed_origins: list[str]
    window_days: int
    commission: ProgramCommission
    repeat_purchases: fields.RepeatPurchases
    limits: ProgramLimits
    attribution: Literal["last", "first"]
    max_revenue: str
    recruiter: Recruiters | None = Field(description="Null: recruiters earn nothing.")
    hold_days: int
    approve_days: int | None
    payout_minimum: str
    time_zone: str
    status: PROGRAM_STATUSES
    policy: dict[str, Any] | None = Field(description="Overrides of the default policy.")
    policy_version: int = Field(description="0: none of its own.")


class SeenAddress(Shown):
    address: str
    last_seen_at: datetime
    where: str = Field(examples=["test_click"])


class Affiliate(Object):
    object: Literal["affiliate"]
    program_id: str
    email: str
    name: str
    ref_code: str
    status: AFFILIATE_STATUSES
    limits: AffiliateLimits | None = Field(description="Null: the program's.")
    commission: AffiliateCommission | None = Field(description="Own terms; null: the program's.")
    recruiter_id: str | None
    known_addresses: list[str]
    seen_addresses: list[SeenAddress] = Field(description="Where they were seen themselves lately.")
    test_link: str = Field(description="The affiliate's own link, for trying: a path without a public URL.")
    policy: dict[str, Any] | None
    policy_version: int


class TermsVersion(Object):
    object: Literal["terms_version"]
    program_id: str
    affiliate_id: str | None = Field(description="Of an affiliate's own terms.")
    version: int
    in_force: bool
    actor: str | None
    terms: dict[str, Any]


class Coupon(Object):
    object: Literal["coupon"]
    program_id: str
    affiliate_id: str
    code: str
    starts_at: datetime | None
    ends_at: datetime | None
    active: bool


class ListEntry(Object):
    object: Literal["list_entry"]
    action: Literal["allow", "block"]
    kind: Literal["mailbox", "domain", "address_range", "affiliate"]
    value: str
    program_id: str | None
    note: str
    expires_at: datetime | None


class Removed(Shown):
    id: str
    object: Literal["list_entry"]
    deleted: Literal[True]


class Forgotten(Shown):
    """Rows that were written over or removed, and what names the mailbox still, for that is the merchant's own."""

    object: Literal["forgotten"]
    mode: Literal["live", "test"]
    conversions: int
    attempts: int
    clicks: int
    sightings: int
    answers: int = Field(description="Kept for repeated calls.")
    list_entries: list[str] = Field(description="Entries of the lists, left as they are.")
    affiliates: list[str] = Field(description="Affiliates, left as they are.")


class Customer(Shown):
    email: str | None = Field(description="Null once it was dropped.")
    customer_id: str | None


class Conversion(Object):
    object: Literal["conversion"]
    updated_at: datetime
    status: CONVERSION_STATUSES
    decision: Literal["pending", "pending_review", "approved", "rejected"]
    decision_reason: str | None
    verified: bool
    type: Literal["signup", "purchase"]
    program_id: str
    affiliate_id: str
    via: Literal["ref_code", "coupon", "first", "merchant"]
    ref_code: str | None
    coupon_id: str | None
    customer: Customer
    order_id: str | None
    revenue: Money
    commission: Money
    refunded: Money
    dispute: Literal["open", "won", "lost"] | None
    held_until: datetime | None = Field(description="Of an approved one: when its commission is payable.")
    approves_at: datetime | None = Field(
        description="When it is approved by itself, if nobody decides before."
    )
    score: int
    signal: str | None = Field(description="The one that asked for a review.")
    click_id: str | None
    metadata: dict[str, Any] | None
    attempt_id: str | None


class Entry(Object):
    object: Literal["entry"]
    cause: str = Field(description="The event that caused it.")
    kind: str
    affiliate_id: str = Field(description="Whose accounts: the affiliate's, or their recruiter's.")
    from_: str = Field(alias="from", description="The account the amount leaves.")
    to: str = Field(description="The account it reaches.")
    amount: Money


class Event(Object):
    object: Literal["event"]
    type: str
    subject_id: str
    data: dict[str, Any]


class WholeConversion(Conversion):
    decision_record: dict[str, Any] = Field(description="Everything the decision used, signal by signal.")
    explanation: list[str] = Field(description="The decision in sentences, for the merchant alone.")
    explanation_for_affiliate: list[str] = Field(
        description="What the affiliate may hear of it: nothing of others, and not what was noticed."
    )
    entries: list[Entry]
    events: list[Event]


class Attempt(Object):
    object: Literal["attempt"]
    updated_at: datetime
    status: Literal["open", "accepted"]
    code: str = Field(description="Why it was refused.")
    verified: bool
    program_id: str | None
    affiliate_id: str | None
    conversion_id: str | None = Field(description="What it was accepted as.")
    input: dict[str, Any] = Field(description="The fields of the report.")
    request_id: str


class WholeAttempt(Attempt):
    decision_record: dict[str, Any]
    explanation: list[str]
    explanation_for_affiliate: list[str]


class BulkError(Shown):
    error: str
    message: str | None = None
    code: str


class BulkResult(Shown):
    id: str
    ok: bool
    status: CONVERSION_STATUSES | None
    error: BulkError | None


class Bulk(Shown):
    object: Literal["bulk"]
    succeeded: int
    failed: int
    data: list[BulkResult]


class Click(Object):
    object: Literal["click"]
    program_id: str
    affiliate_id: str
    source: str
    address: str | None
    agent: str | None
    url: str | None
    referrer: str | None
    sub_id: str | None
    dest: str | None
    automated: bool
    why: str | None = Field(description="Why it counts as automated.")


class Audit(Object):
    object: Literal["audit"]
    actor: str = Field(description="The id of the API key, or `cli`.")
    action: str
    subject_id: str
    changes: dict[str, Any] = Field(description="Field → [old, new].")


class Balance(Object):
    object: Literal["balance"]
    affiliate_id: str
    program_id: str
    currency: str
    accounts: dict[str, Money]
    matured: Money = Field(description="Of `payable`: its hold is over, and no entry says so yet.")


class Page(Shown):
    has_more: bool
    next_cursor: str | None


class Programs(Page):
    data: list[Program]


class TermsVersions(Page):
    data: list[TermsVersion]


class Affiliates(Page):
    data: list[Affiliate]


class Coupons(Page):
    data: list[Coupon]


class ListEntries(Page):
    data: list[ListEntry]


class Conversions(Page):
    data: list[Conversion]


class Attempts(Page):
    data: list[Attempt]
    not_kept: int = Field(description="Attempts beyond the hourly ceiling, counted but not kept one by one.")


class Clicks(Page):
    data: list[Click]


class Audits(Page):
    data: list[Audit]
