"""Affiliates and their coupons."""

from typing import Annotated, Any

from fastapi import Query, Response

from refledger.services import catalogue, reports
from refledger.web.api import inputs, outputs, render
from refledger.web.api.door import Call, Caller, router

routes = router()


def _shown(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    return render.affiliate(row, call.tenant.mode, call.house.public_url)


@routes.post(
    "/programs/{program_id}/affiliates",
    status_code=201,
    response_model=outputs.Affiliate,
    tags=["Affiliates"],
)
def create_affiliate(call: Caller, program_id: str, wanted: inputs.NewAffiliate) -> Response:
    """Adds an affiliate to the program, active at once; a referral code is made unless one is given."""
    return call.write(
        lambda connection, now_ms: _shown(
            call,
            catalogue.create_affiliate(
                connection, call.tenant, program_id, wanted.given(), now_ms, call.house.entropy
            ),
        ),
        status=201,
    )


@routes.get("/programs/{program_id}/affiliates", response_model=outputs.Affiliates, tags=["Affiliates"])
def list_affiliates(
    call: Caller, program_id: str, query: Annotated[inputs.AffiliatesQuery, Query()]
) -> Response:
    """The program's affiliates, newest first."""

    def work(connection):
        found = reports.list_affiliates(
            connection, call.tenant, program_id, query.filters(), query.limit, query.cursor
        )
        return render.page(*found, lambda row, _: _shown(call, row), call.tenant.mode)

    return call.read(work)


@routes.get("/affiliates/{affiliate_id}", response_model=outputs.Affiliate, tags=["Affiliates"])
def get_affiliate(call: Caller, affiliate_id: str) -> Response:
    """One affiliate."""
    return call.read(
        lambda connection: _shown(call, catalogue.get_affiliate(connection, call.tenant, affiliate_id))
    )


@routes.patch("/affiliates/{affiliate_id}", response_model=outputs.Affiliate, tags=["Affiliates"])
def update_affiliate(call: Caller, affiliate_id: str, wanted: inputs.AffiliateChange) -> Response:
    """Changes what is named; null gives limits, terms and policy back to the program."""
    return call.write(
        lambda connection, now_ms: _shown(
            call,
            catalogue.update_affiliate(
                connection, call.tenant, affiliate_id, wanted.given(), now_ms, call.house.entropy
            ),
        )
    )


@routes.post(
    "/programs/{program_id}/coupons", status_code=201, response_model=outputs.Coupon, tags=["Coupons"]
)
def create_coupon(call: Caller, program_id: str, wanted: inputs.NewCoupon) -> Response:
    """Gives a coupon code of the shop to an affiliate: whoever buys with it was sent by them."""
    return call.write(
        lambda connection, now_ms: render.coupon(
            catalogue.create_coupon(
                connection, call.tenant, program_id, inputs.by_column(wanted), now_ms, call.house.entropy
            ),
            call.tenant.mode,
        ),
        status=201,
    )


@routes.get("/programs/{program_id}/coupons", response_model=outputs.Coupons, tags=["Coupons"])
def list_coupons(call: Caller, program_id: str, query: Annotated[inputs.CouponsQuery, Query()]) -> Response:
    """The program's coupons, newest first."""

    def work(connection):
        found = reports.list_coupons(
            connection, call.tenant, program_id, query.filters(), query.limit, query.cursor
        )
        return render.page(*found, render.coupon, call.tenant.mode)

    return call.read(work)


@routes.patch("/coupons/{coupon_id}", response_model=outputs.Coupon, tags=["Coupons"])
def update_coupon(call: Caller, coupon_id: str, wanted: inputs.CouponChange) -> Response:
    """Changes what is named."""
    return call.write(
        lambda connection, now_ms: render.coupon(
            catalogue.update_coupon(
                connection, call.tenant, coupon_id, inputs.by_column(wanted), now_ms, call.house.entropy
            ),
            call.tenant.mode,
        )
    )
