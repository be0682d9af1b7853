"""Programs."""

from typing import Annotated

from fastapi import Query, Response

from refledger.services import catalogue, reports
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Caller, router

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
