"""What travels through the desk: a claim as it came, and the work on it until it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from refledger.core.addresses import Address
from refledger.core.conversions import Accepted, History, Screened, Setup
from refledger.core.fraud.case import Case
from refledger.core.fraud.policy import Policy
from refledger.core.fraud.scoring import Verdict
from refledger.core.intake import Report
from refledger.core.lists import Lists
from refledger.core.programs import Affiliate, Program
from refledger.core.refusals import Refusal

ENDPOINT = "POST /v1/track-conversion"


@dataclass(slots=True)
class Claim:
    """One request to track a conversion, read at the door and waiting to be settled."""

    request_id: str
    key_hash: str
    is_secret: bool
    given: Mapping[str, Any]  # the body's fields
    report: Report | Refusal
    address: Address | None = None
    idempotency_key: str | None = None
    body_key: str = ""
    # Learned while settling: affiliates to be held besides the one the codes name.
    also_held: set[str] = field(default_factory=set)


class Answer(NamedTuple):
    """What goes back over the wire. `code`: `pending`, `pending_review`, or the refusal's reason."""

    status: int
    body: bytes
    code: str
    retry_after_s: int | None = None
    replayed: bool = False
    allowed_origins: str = "[]"  # the program's JSON list of pages that may read the answer


class Wording(Protocol):
    """The doors' words, lent to the shell because an answer is remembered in the transaction that earns it."""

    def accepted(
        self, conversion_id: str, commission: str, status: str, dry_run: bool, warnings: tuple
    ) -> bytes: ...

    def refused(self, refusal: Refusal, request_id: str, is_secret: bool) -> tuple[int, bytes]: ...


class Credential(NamedTuple):
    """Whose key signs a claim."""

    merchant_id: str
    key_id: str
    kind: str
    mode: str
    sealed_ms: int  # what happens now is dated after it (`services.sealing`)


@dataclass(slots=True)
class Work:
    """A claim while it is being settled. Filled from top to bottom; `outcome` ends it."""

    claim: Claim
    credential: Credential | None = None
    program: Program | None = None
    fingerprint_key: bytes = b""
    setup: Setup | None = None
    screened: Screened | None = None
    email_key: str = ""
    mailbox_key: str = ""
    order_key: str | None = None
    replay_key: str | None = None
    known_as: dict[str, str] = field(
        default_factory=dict
    )  # "mailbox", "address" → fingerprint, in any program
    held: set[str] = field(default_factory=set)
    now_ms: int = 0
    history: History | None = None
    standing: tuple[int, int, int] = (0, 0, 0)
    case: Case | None = None
    sightings: list[tuple[str, str, str]] = field(default_factory=list)  # kind, key, customer key
    sources: Mapping[str, str] = field(default_factory=dict)  # of origins: setting → version of its file
    policy: Policy | None = None
    policy_version: str = ""
    verdict: Verdict | None = None
    outcome: Accepted | Refusal | Answer | None = None
    conversion_id: str = ""
    attempt_id: str = ""

    @property
    def merchant_id(self) -> str:
        return self.credential.merchant_id

    @property
    def mode(self) -> str:
        return self.credential.mode

    @property
    def verified(self) -> bool:
        return self.credential.kind == "secret"

    @property
    def report(self) -> Report:
        return self.screened.report

    @property
    def affiliate(self) -> Affiliate:
        return self.screened.attribution.affiliate

    @property
    def earners(self) -> set[str]:
        """Whose standing it moves: the affiliate's, and their recruiter's where recruiters earn."""
        recruiter_id = self.affiliate.recruiter_id if self.program.recruiter else None
        return {self.affiliate.id, recruiter_id} if recruiter_id else {self.affiliate.id}

    @property
    def is_dry_run(self) -> bool:
        """Also where the report is not usable: a trial leaves nothing, whatever is wrong with it."""
        return self.claim.is_secret and self.claim.given.get("dry_run") is True


EMPTY_LISTS = Lists(())
