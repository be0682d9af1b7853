"""Every version of the terms of programs and affiliates."""

from typing import Annotated

from fastapi import Query, Response

from refledger.services import policies, terms
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Caller, router

routes = router()


@routes.get("/programs/{program_id}/terms/versions", response_model=outputs.TermsVersions, tags=["Programs"])
def list_terms_versions(
    call: Caller, program_id: str, query: Annotated[inputs.VersionsQuery, Query()]
) -> Response:
    """Every version of the program's terms, or of an affiliate's own, newest first."""

    def work(connection):
        holder = policies.holder(connection, call.tenant, program_id, query.affiliate_id)
        found = terms.versions(connection, call.tenant, holder, query.limit, query.cursor)
        return render.page(*found, render.terms_version, call.tenant.mode)

    return call.read(work)
