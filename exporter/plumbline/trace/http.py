"""``/trace/{request_id}``, ``/batch/{data_batch_id}``, ``/requests``: HTML for people, JSON for programs.

Ids may hold any printable character, slashes too. Look-ups run in worker threads of their own small
number, so that they neither block the event loop nor crowd out scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import anyio.to_thread
import msgspec
import structlog
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from plumbline.errors import StoreError
from plumbline.names import DASHBOARD_UIDS
from plumbline.pages import HEADERS, render, rooted
from plumbline.server.negotiate import wants_json
from plumbline.trace.lookup import Lookup
from plumbline.trace.model import to_json
from plumbline.trace.samples import sample_requests
from plumbline.trace.uses import PAGE

log = structlog.get_logger(__name__)

_WORKERS = 4
_AROUND = 3 * 3600 * 1000  # milliseconds that a dashboard shows on either side of a request
T = TypeVar("T")


@dataclass(slots=True)
class TraceRoutes:
    """The routes over one store.

    Attributes:
        lookup: answers; its owner closes it when the server has ended.
        tasks: of the models; the answers of regressions are numbers.
        grafana: address of Grafana, for links to its dashboards; empty = none.
        root: path before all links.
    """

    lookup: Lookup
    tasks: Mapping[str, str] = field(default_factory=dict)
    grafana: str = ""
    root: str = ""
    _limiter: CapacityLimiter | None = field(default=None, init=False)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/trace/{request_id:path}", self.trace),
            Route("/batch/{data_batch_id:path}", self.batch),
            Route("/requests", self.requests),
        ]

    async def trace(self, request: Request) -> Response:
        """``/trace/{request_id}``."""
        return await self._answer(request, self._trace)

    async def batch(self, request: Request) -> Response:
        """``/batch/{data_batch_id}``; ``?part=predictions&after=N&limit=N`` lists further predictions."""
        return await self._answer(request, self._batch)

    async def requests(self, request: Request) -> Response:
        """``/requests?model=M&version=V``: the worst of the newest requests of a model version."""
        return await self._answer(request, self._requests)

    async def _answer(self, request: Request, make: Callable[[Request, bool], Response]) -> Response:
        if self._limiter is None:  # it belongs to the event loop
            self._limiter = CapacityLimiter(_WORKERS)
        json = request.query_params.get("format") == "json" or wants_json(request.headers.get("accept", ""))
        try:
            return await anyio.to_thread.run_sync(make, request, json, limiter=self._limiter)
        except StoreError as error:
            log.warning("a look-up failed", path=request.url.path, problem=str(error))
            return self._problem(json, 503, "store_error", f"{error}; try again later", "The store cannot be read")

    # --- in a worker thread ---

    def _trace(self, request: Request, json: bool) -> Response:
        request_id = request.path_params["request_id"]
        found = self.lookup.trace(request_id)
        if found is None:
            return self._missing(json, "request", request_id)
        if json:
            return _json(to_json(found))
        return self._html("trace.html.j2", trace=found, grafana=self.grafana, uids=DASHBOARD_UIDS, around=_AROUND)

    def _batch(self, request: Request, json: bool) -> Response:
        data_batch_id = request.path_params["data_batch_id"]
        if request.query_params.get("part") == "predictions":
            after, limit = _number(request, "after", 0), _number(request, "limit", PAGE)
            if after is None or limit is None:
                return self._problem(json, 400, "bad_request", "after and limit are whole numbers", "Bad request")
            used = self.lookup.used(data_batch_id, after, limit)
            return _json(to_json(used)) if json else self._html("used.html.j2", used=used)
        found = self.lookup.batch(data_batch_id)
        if found is None:
            return self._missing(json, "data batch", data_batch_id)
        if json:
            return _json(to_json(found))
        return self._html("batch.html.j2", batch=found, used=self.lookup.used(data_batch_id))

    def _requests(self, request: Request, json: bool) -> Response:
        model, version = (request.query_params.get(name, "") for name in ("model", "version"))
        if not model:
            detail = f"name a model: {self.root}/requests?model=NAME"
            return self._problem(json, 400, "bad_request", detail, "Which model?", self.tasks)
        newest = self.lookup.last_seq()
        found = sample_requests(self.lookup.reader, model, version, newest, self.tasks.get(model) == "regression")
        return _json(msgspec.json.encode(found)) if json else self._html("requests.html.j2", samples=found)

    def _missing(self, json: bool, what: str, identifier: str) -> Response:
        known = f"the store holds nothing of {what} {identifier!r}"
        why = "it was never sent, or was rejected when it came"
        return self._problem(json, 404, "not_found", f"{known}: {why}", f"Unknown {what}")

    def _problem(
        self, json: bool, status: int, error: str, detail: str, title: str, models: Iterable[str] = ()
    ) -> Response:
        if json:
            return _json(msgspec.json.encode({"error": error, "detail": detail}), status)
        return self._html("problem.html.j2", status, title=title, detail=detail, models=models)

    def _html(self, template: str, status: int = 200, **data: object) -> Response:
        return Response(rooted(render(template, **data), self.root), status, HEADERS, "text/html")


def _number(request: Request, name: str, default: int) -> int | None:
    text = request.query_params.get(name, str(default))
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _json(body: bytes, status: int = 200) -> Response:
    headers = {name: value for name, value in HEADERS.items() if name != "Content-Security-Policy"}
    return Response(body, status, headers, "application/json")
