"""Programs and their policies."""

from typing import Annotated

from fastapi import Body, Query, Response

from refledger.services import catalogue, reports
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Caller, router
from refledger.web.api.fields import Overrides

routes = router()


@routes.post("/programs", status_code=201, response_model=outputs.Program, tags=["Programs"])
def create_program(call: Caller, wanted: inputs.NewProgram) -> Response:
    """Creates a program. Everything but its name has a default."""
    return call.write(
        lambda connection, now_ms: render.program(
            catalogue.create_program(connection, call.tenant, wanted.given(), now_ms, call.house.entropy),
            call.tenant.mode,
        ),
        status=201,
    )


@routes.get("/programs", response_model=outputs.Programs, tags=["Programs"])
def list_programs(call: Caller, query: Annotated[inputs.ProgramsQuery, Query()]) -> Response:
    """Programs, newest first."""

    def work(connection):
        found = reports.list_programs(connection, call.tenant, query.filters(), query.limit, query.cursor)
        return render.page(*found, render.program, call.tenant.mode)

    return call.read(work)


@routes.get("/programs/{program_id}", response_model=outputs.Program, tags=["Programs"])
def get_program(call: Caller, program_id: str) -> Response:
    """One program."""
    return call.read(
        lambda connection: render.program(
            catalogue.get_program(connection, call.tenant, program_id), call.tenant.mode
        )
    )


@routes.patch("/programs/{program_id}", response_model=outputs.Program, tags=["Programs"])
def update_program(call: Caller, program_id: str, wanted: inputs.ProgramChange) -> Response:
    """Changes what is named. New terms hold for new conversions only."""
    return call.write(
        lambda connection, now_ms: render.program(
            catalogue.update_program(
                connection, call.tenant, program_id, wanted.given(), now_ms, call.house.entropy
            ),
            call.tenant.mode,
        )
    )


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
