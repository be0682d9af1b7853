"""Customers: who asks to be forgotten is."""

from dataclasses import asdict

from fastapi import Response

from refledger.core import emails
from refledger.services import forgetting
from refledger.web.api import inputs, outputs
from refledger.web.api.door import Caller, router

routes = router()


@routes.post("/customers/forget", response_model=outputs.Forgotten, tags=["Customers"])
def forget_customer(call: Caller, wanted: inputs.Forget) -> Response:
    """Erases a customer from the data of the key's mode; sums, statuses and explanations stay. Cannot be undone."""
    email = emails.parse(wanted.email)
    with call.house.database.read(call.tenant.merchant_id) as connection:
        traces = forgetting.find(connection, call.tenant, email, call.now_ms(connection))

    def work(connection, now_ms):
        found = forgetting.erase(connection, call.tenant, traces, now_ms, call.house.entropy)
        return {"object": "forgotten", "mode": call.tenant.mode, **asdict(found)}

    return call.write(work)
