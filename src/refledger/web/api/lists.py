"""Allow and block lists."""

from typing import Annotated

from fastapi import Query, Response

from refledger.services import lists, reports
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Caller, router

routes = router()


@routes.post("/lists", status_code=201, response_model=outputs.ListEntry, tags=["Lists"])
def create_list_entry(call: Caller, wanted: inputs.NewListEntry) -> Response:
    """Allows or blocks a mailbox, a domain, a range of addresses or an affiliate. A block wins over an allow."""
    return call.write(
        lambda connection, now_ms: render.list_entry(
            lists.add_entry(connection, call.tenant, inputs.by_column(wanted), now_ms, call.house.entropy),
            call.tenant.mode,
        ),
        status=201,
    )


@routes.get("/lists", response_model=outputs.ListEntries, tags=["Lists"])
def list_list_entries(call: Caller, query: Annotated[inputs.ListsQuery, Query()]) -> Response:
    """Entries, newest first; expired ones too."""

    def work(connection):
        found = reports.list_entries(connection, call.tenant, query.filters(), query.limit, query.cursor)
        return render.page(*found, render.list_entry, call.tenant.mode)

    return call.read(work)


@routes.delete("/lists/{entry_id}", response_model=outputs.Removed, tags=["Lists"])
def remove_list_entry(call: Caller, entry_id: str) -> Response:
    """Removes an entry."""

    def work(connection, now_ms):
        lists.remove_entry(connection, call.tenant, entry_id, now_ms, call.house.entropy)
        return {"id": entry_id, "object": "list_entry", "deleted": True}

    return call.write(work)
