"""Plain routes first: what is asked most often passes by the application's router and middleware."""

from collections.abc import Iterable

from starlette.routing import Match, Route

from refledger.web.plumbing import App, Receive, Scope, Send


class PlainFirst:
    """Wraps the application. Routes with a fixed path are found by it, the others by their first segment."""

    def __init__(self, app: App, routes: Iterable[Route]):
        self._app = app
        self._fixed: dict[str, Route] = {}
        self._open: dict[str, Route] = {}
        for route in routes:
            if "{" in route.path:
                self._open[_first_segment(route.path)] = route
            else:
                self._fixed[route.path] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            route = self._fixed.get(path)
            if route is not None:
                if scope["method"] in route.methods:
                    scope["route"] = route
                    return await route.app(scope, receive, send)
            elif (route := self._open.get(_first_segment(path))) is not None:
                if path.endswith("/"):  # people's programs add one when they share a link
                    scope["path"] = path[:-1]
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found, route=route)
                    return await route.app(scope, receive, send)
        # A wrong method, too, is the router's to answer.
        await self._app(scope, receive, send)


def _first_segment(path: str) -> str:
    return path[: path.find("/", 1) + 1]
