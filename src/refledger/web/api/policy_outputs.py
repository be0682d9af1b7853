"""What the API answers about policies: versions, presets, differences, and back-tests."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from refledger.web.api import fields
from refledger.web.api.outputs import Money, Object, Page, Shown


class Policy(Object):
    object: Literal["policy"]
    program_id: str
    base: str = Field(description="The default that the overrides are laid over.")
    version: int = Field(description="0: the default alone.")
    overrides: dict[str, Any]
    document: dict[str, Any] = Field(description="What judges: the default with the overrides.")


class PolicyVersion(Object):
    object: Literal["policy_version"]
    program_id: str
    affiliate_id: str | None = Field(description="Whose own overrides it is; null: the program's.")
    version: int
    in_force: bool
    actor: str | None = Field(description="Who made it, as in the audit.")
    overrides: dict[str, Any]


class PolicyVersions(Page):
    data: list[PolicyVersion]


class PolicyPreset(Shown):
    object: Literal["policy_preset"]
    name: str = Field(description="What a policy asks for.", examples=["strict"])
    version: str = Field(description="What is kept, and never changes its meaning.", examples=["strict-1"])
    overrides: dict[str, Any]
    document: dict[str, Any] = Field(description="What judges: the default with the overrides.")


class PolicyPresets(Shown):
    data: list[PolicyPreset]


class PolicyChange(Shown):
    path: str = Field(examples=["signals.email.role.points"])
    old: Any
    new: Any


class PolicyDiff(Shown):
    object: Literal["policy_diff"]
    program_id: str
    from_: str = Field(alias="from")
    to: str
    changes: list[PolicyChange]


_STATES = Literal["accepted", "review", "refused"]


class Span(Shown):
    from_: datetime = Field(alias="from")
    to: datetime


class ReplayedOutcome(Shown):
    code: str = Field(description="The status to begin with, or the refusal's code.")
    score: int
    leading: str | None


class Differing(Shown):
    """A decision that its own policy does not make again: its record was altered, or we have made a mistake."""

    id: str
    object: Literal["conversion", "attempt"]
    stored: ReplayedOutcome
    replayed: ReplayedOutcome


class Reproduced(Shown):
    count: int
    share: float
    differing: list[Differing]


class FlipScore(Shown):
    from_: int = Field(alias="from")
    to: int


class Flip(Shown):
    id: str
    object: Literal["conversion", "attempt"]
    at: datetime
    from_: _STATES = Field(alias="from")
    to: _STATES
    signal: str = Field(description="What leads to it; `limit` or `duplicate` where another flip does.")
    affiliate_id: str
    revenue: Money | None
    commission: Money | None
    score: FlipScore
    decided: str = Field(
        description="What was decided later: `approved`, `rejected:…` with the reason, `superseded` (by a "
        "signed report), `refunded`, `chargeback`, `undecided`; of an attempt `accepted_attempt` or `left`."
    )


class FlipSums(Shown):
    count: int
    revenue: Money
    commission: Money


class FlipTotal(FlipSums):
    from_: _STATES = Field(alias="from")
    to: _STATES


class FlipsBySignal(FlipTotal):
    signal: str
    decided: dict[str, FlipSums]


class FlipsByAffiliate(FlipTotal):
    affiliate_id: str
    name: str
    ref_code: str
    decided: dict[str, FlipSums]


class FlipExamples(Shown):
    from_: _STATES = Field(alias="from")
    to: _STATES
    sentences: list[str]


class Backtest(Shown):
    object: Literal["backtest"]
    program_id: str
    mode: fields.Mode
    from_: datetime = Field(alias="from")
    to: datetime
    policy: dict[str, Any] | None = Field(description="The policy tried; null: as each was judged.")
    complete: bool
    covered: Span = Field(description="The time that was replayed; less than asked for where not complete.")
    advice: str | None
    decisions: int
    not_kept: int = Field(description="Attempts that were only counted, and cannot be replayed.")
    reproduced: Reproduced = Field(description="The control: each decision under the policy that judged it.")
    flips: list[Flip]
    totals: list[FlipTotal]
    by_signal: list[FlipsBySignal]
    by_affiliate: list[FlipsByAffiliate]
    examples: list[FlipExamples]
