"""The policies of programs: what judges, every version of it, presets to begin with, and what differs."""

from typing import Annotated

from fastapi import Body, Query, Response
from pydantic import WithJsonSchema

from refledger.core.refusals import Reason, Refusal, Refused
from refledger.services import catalogue, policies
from refledger.services.backtest import AT_THE_DOOR, Question, backtest
from refledger.web.api import inputs, render
from refledger.web.api import policy_outputs as outputs
from refledger.web.api.door import Call, Caller, router
from refledger.web.api.fields import Overrides

routes = router()

BUSY = "Another back-test is running; try again shortly, or run `refledger backtest` where the database is"

# Read by the service: what is written otherwise than versions are is the path of none.
_Version = Annotated[str, WithJsonSchema({"type": "integer", "minimum": 1})]


@routes.get("/policy-presets", response_model=outputs.PolicyPresets, tags=["Policy"])
def list_policy_presets(call: Caller) -> Response:
    """Whole policies to begin with, by name; `reference` is the default."""
    return call.read(lambda connection: {"data": [render.preset(*each) for each in policies.presets()]})


@routes.get("/programs/{program_id}/policy", response_model=outputs.Policy, tags=["Policy"])
def get_policy(call: Caller, program_id: str) -> Response:
    """The policy that judges the program's conversions, and what in it differs from the default."""
    return call.read(
        lambda connection: render.policy(
            catalogue.get_program(connection, call.tenant, program_id), call.tenant.mode
        )
    )


@routes.put("/programs/{program_id}/policy", response_model=outputs.Policy, tags=["Policy"])
def put_policy(call: Caller, program_id: str, overrides: Annotated[Overrides, Body()]) -> Response:
    """Replaces the overrides by a new version; conversions name the version that judged them."""
    return call.write(
        lambda connection, now_ms: render.policy(
            catalogue.put_policy(connection, call.tenant, program_id, overrides, now_ms, call.house.entropy),
            call.tenant.mode,
        )
    )


@routes.get("/programs/{program_id}/policy/versions", response_model=outputs.PolicyVersions, tags=["Policy"])
def list_policy_versions(
    call: Caller, program_id: str, query: Annotated[inputs.VersionsQuery, Query()]
) -> Response:
    """Every version of the program's overrides, or of an affiliate's own, newest first."""

    def work(connection):
        holder = policies.holder(connection, call.tenant, program_id, query.affiliate_id)
        found = policies.versions(connection, call.tenant, holder, query.limit, query.cursor)
        return render.page(*found, render.policy_version, call.tenant.mode)

    return call.read(work)


@routes.get(
    "/programs/{program_id}/policy/versions/{version}", response_model=outputs.PolicyVersion, tags=["Policy"]
)
def get_policy_version(
    call: Caller, program_id: str, version: _Version, query: Annotated[inputs.OfAffiliate, Query()]
) -> Response:
    """One version, by its number within the program or the affiliate."""

    def work(connection):
        holder = policies.holder(connection, call.tenant, program_id, query.affiliate_id)
        return render.policy_version(
            policies.version(connection, call.tenant, holder, version), call.tenant.mode
        )

    return call.read(work)


@routes.get("/programs/{program_id}/policy/diff", response_model=outputs.PolicyDiff, tags=["Policy"])
def diff_policies(
    call: Caller, program_id: str, query: Annotated[inputs.PolicyDiffQuery, Query()]
) -> Response:
    """What two of the program's policies judge differently: versions by number (0: the default), or presets by name."""

    def work(connection):
        named = policies.named(connection, call.tenant, program_id, query.from_, query.to)
        return render.policy_diff(program_id, *named)

    return call.read(work)


@routes.post("/programs/{program_id}/policy/backtest", response_model=outputs.Backtest, tags=["Policy"])
def backtest_policy(call: Caller, program_id: str, wanted: inputs.Backtest | None = None) -> Response:
    """Replays another policy over the decisions of the key's mode, and reports all that would have been different.

    It only reads. The newest 100,000 decisions are replayed, for some ten seconds.
    """
    wanted = wanted or inputs.Backtest()
    question = Question(program_id, wanted.policy, from_ms=wanted.from_, to_ms=wanted.to)
    return _backtest(call, question)


@routes.get("/programs/{program_id}/policy/shadow", response_model=outputs.Backtest, tags=["Policy"])
def shadow_report(call: Caller, program_id: str, query: Annotated[inputs.ShadowQuery, Query()]) -> Response:
    """The same report for the policy in force, as if its signals in shadow mode were enforced."""
    return _backtest(call, Question(program_id, enforcing=True, from_ms=query.from_, to_ms=query.to))


def _backtest(call: Call, question: Question) -> Response:
    """One at a time in this process: it computes for seconds, and holds a connection and the interpreter meanwhile."""
    running = call.house.backtesting
    if not running.acquire(blocking=False):
        raise Refused(Refusal(Reason.OVERLOADED, BUSY, retry_after_s=round(AT_THE_DOOR.seconds)))
    try:
        now_ms = call.house.clock()
        return call.read(lambda connection: backtest(connection, call.tenant, question, now_ms, AT_THE_DOOR))
    finally:
        running.release()
