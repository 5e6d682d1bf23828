"""The HTTP face: events in, metrics out, health, a landing page.

Reads requests, hands parsed bodies to the writer and blocks to the renderer. An event request is
answered 200 only when what it says it accepted is durable; otherwise nothing of it was taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from plumbline import otlp
from plumbline.alerts import WebhookError, parse_webhook
from plumbline.catalogue.model import Catalogue
from plumbline.errors import Overloaded, StoreError
from plumbline.events.lines import TooMany
from plumbline.events.parse import parse
from plumbline.events.parsed import Parsed
from plumbline.expose.registry import Registry
from plumbline.expose.self_metrics import SelfMetrics
from plumbline.expose.text import Renderer
from plumbline.names import (
    ALERTS_PATH,
    CONTENT_TYPE_JSON,
    CONTENT_TYPE_NDJSON,
    CONTENT_TYPE_OPENMETRICS,
    CONTENT_TYPE_TEXT,
)
from plumbline.pages import HEADERS
from plumbline.server.body import BodyReader, Held, Refusal
from plumbline.server.landing import landing_page
from plumbline.server.negotiate import wants_gzip, wants_openmetrics
from plumbline.server.writer import Writer

log = structlog.get_logger(__name__)

# Parsing this much takes less than a millisecond: cheaper than handing it to another thread.
_INLINE_BYTES = 32 * 1024


@dataclass(slots=True)
class App:
    """What the routes share.

    Attributes:
        catalogue: for the landing page.
        writer: takes parsed bodies.
        registry: gives the blocks of a scrape.
        metrics: the exporter's own counts.
        bodies: reads request bodies within bounds.
        renderer: keeps what does not change between scrapes.
        more: routes of other parts.
        url: where the outside world reaches this; its path stands before all links, and may before requests.
    """

    catalogue: Catalogue
    writer: Writer
    registry: Registry
    metrics: SelfMetrics
    bodies: BodyReader = field(default_factory=BodyReader)
    renderer: Renderer = field(default_factory=Renderer)
    more: Sequence[Route] = ()
    url: str = ""

    def asgi(self) -> Starlette:
        """Return the application."""
        routes: list[BaseRoute] = [
            Route("/", self.landing),
            Route("/metrics", self.scrape),
            Route("/v1/events", self.ingest, methods=["POST"]),
            Route("/v1/logs", self.logs, methods=["POST"]),
            Route(ALERTS_PATH, self.alerts, methods=["POST"]),
            Route("/-/healthy", self.healthy),
            Route("/-/ready", self.ready),
            *self.more,
        ]
        # A proxy may take the path off or leave it; Prometheus and the orchestrator come without it.
        root = urlsplit(self.url).path.rstrip("/")
        inside = Router(routes, redirect_slashes=False)
        made = Starlette(
            routes=[*routes, *([Mount(root, inside)] if root else ())],
            exception_handlers={HTTPException: self._http_error},  # type: ignore[dict-item]
        )
        made.router.redirect_slashes = False  # it would redirect to where nobody outside gets
        return made

    async def _http_error(self, request: Request, error: HTTPException) -> Response:
        remedy = _REMEDIES.get(error.status_code, "").format(root=urlsplit(self.url).path.rstrip("/"))
        body = {"error": error.detail, "detail": remedy or error.detail}
        return JSONResponse(body, error.status_code, headers=error.headers)

    async def landing(self, request: Request) -> Response:
        """``/``: where to go and what to do first."""
        page = landing_page(self.catalogue, self.writer.not_ready(), self.url)
        return Response(page, headers=HEADERS, media_type="text/html")

    async def healthy(self, request: Request) -> Response:
        """``/-/healthy``: the process answers, and the thread that stores events lives."""
        if self.writer.dead:
            return PlainTextResponse("the writing thread is dead\n", 503)
        return PlainTextResponse("healthy\n")

    async def ready(self, request: Request) -> Response:
        """``/-/ready``: events would be accepted now."""
        problem = self.writer.not_ready()
        if problem is None:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"not ready: {problem}\n", 503, {"Retry-After": "1"})

    async def scrape(self, request: Request) -> Response:
        """``/metrics``: in the format and encoding that were asked for."""
        openmetrics = wants_openmetrics(request.headers.get("accept", ""))
        compress = wants_gzip(request.headers.get("accept-encoding", ""))
        body = await run_in_threadpool(self._page, openmetrics, compress)
        headers = {"Vary": "Accept, Accept-Encoding"}
        headers["Content-Type"] = CONTENT_TYPE_OPENMETRICS if openmetrics else CONTENT_TYPE_TEXT
        if compress:
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers)

    def _page(self, openmetrics: bool, compress: bool) -> bytes:
        return self.renderer.render(self.registry.collect(), openmetrics, compress)

    async def ingest(self, request: Request) -> Response:
        """``POST /v1/events``: answered when durable, or refused whole."""
        return await self._answered(request, self._ingest, 429)

    async def alerts(self, request: Request) -> Response:
        """``POST /v1/alerts``: Alertmanager's webhook; answered when durable, before any hook is called."""
        # Alertmanager sends again what was answered 5xx, and nothing else: 429 would lose the alerts.
        return await self._answered(request, self._alerts, 503)

    async def logs(self, request: Request) -> Response:
        """``POST /v1/logs``: OpenTelemetry's log records (OTLP/HTTP); answered when durable."""
        return await self._answered(request, self._logs, 429)

    async def _answered(
        self, request: Request, handle: Callable[[Request, Held, float], Awaitable[Response]], busy: int
    ) -> Response:
        start = time.perf_counter()
        try:
            with Held(self.bodies) as held:
                answer = await handle(request, held, start)
        except ClientDisconnect:
            # Nobody reads this answer; nothing was taken, because the body never came to its end.
            return Response(status_code=400)
        except Refusal as refusal:
            status = busy if refusal.status == 429 else refusal.status
            self.metrics.refused.add(refusal.reason)
            log.warning(
                "request refused",
                status=status,
                reason=refusal.reason,
                remedy=refusal.remedy,
                client=request.client.host if request.client else None,
            )
            headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
            if status in (408, 413):
                headers["Connection"] = "close"  # the rest of the body may still be on its way
            body = {"error": refusal.reason, "detail": refusal.remedy}
            answer = JSONResponse(body, status, headers=headers)
        self.metrics.ingest.observe(time.perf_counter() - start)
        return answer

    async def _ingest(self, request: Request, held: Held, start: float) -> Response:
        body, packed = await self.bodies.read(request, held, (CONTENT_TYPE_NDJSON, CONTENT_TYPE_JSON))
        with self._not_too_many("lines", "send fewer lines per request"):
            if packed or len(body) > _INLINE_BYTES:
                parsed, size = await run_in_threadpool(self._parse, body, packed)
            else:
                parsed, size = self._parse(body, packed)
        held.take(size - len(body) if packed else 0)
        duplicates = await self._commit(parsed)
        log.debug(
            "events",
            accepted=len(parsed.events),
            rejected=len(parsed.rejected),
            duplicates=duplicates,
            bytes=len(body),
            seconds=round(time.perf_counter() - start, 6),
        )
        _tell_rejected("lines", parsed)
        return JSONResponse(_account(parsed, duplicates, "line"))

    async def _commit(self, parsed: Parsed) -> int:
        """Return the number of duplicates once the rest is durable."""
        if not parsed.lines and not parsed.truncated:
            return 0
        try:
            return await asyncio.wrap_future(self.writer.submit(parsed))
        except Overloaded as error:
            raise Refusal(429, "overloaded", str(error), 1) from error
        except StoreError as error:
            raise Refusal(
                503, "store_error", f"{error}; nothing of this is acknowledged: send it again later", 5
            ) from error

    async def _logs(self, request: Request, held: Held, start: float) -> Response:
        types = [CONTENT_TYPE_JSON, otlp.CONTENT_TYPE_PROTOBUF][: 1 + otlp.has_protobuf()]
        what = "OTLP's export request for logs"
        if len(types) == 1:
            what += " as JSON (protobuf needs pip install 'plumbline[otlp]' at the exporter)"
        body, packed = await self.bodies.read(request, held, types, what)
        protobuf = otlp.CONTENT_TYPE_PROTOBUF in request.headers.get("content-type", "").lower()

        def read() -> tuple[Parsed, int]:
            plain = self.bodies.unpack(body) if packed else body
            parse_body = otlp.parse_protobuf if protobuf else otlp.parse_json
            return parse_body(plain, time.time(), self.writer.queue_events), len(plain)

        with self._not_too_many("records", "send fewer per request"):
            try:
                parsed, size = await run_in_threadpool(read)
            except otlp.OtlpError as error:
                raise Refusal(400, "bad_encoding", str(error)) from error
        held.take(size - len(body) if packed else 0)
        await self._commit(parsed)
        _tell_rejected("log records", parsed)
        return Response(otlp.answer(parsed, protobuf), media_type=types[protobuf])

    async def _alerts(self, request: Request, held: Held, start: float) -> Response:
        body, packed = await self.bodies.read(request, held, (CONTENT_TYPE_JSON,), "Alertmanager's webhook")
        if packed:
            raise Refusal(415, "wrong_type", "Alertmanager's webhook comes without Content-Encoding")
        try:
            parsed = await run_in_threadpool(parse_webhook, body, time.time())
        except WebhookError as error:
            raise Refusal(400, "bad_webhook", str(error)) from error
        if parsed.lines > self.writer.queue_events:
            raise Refusal(
                413,
                "too_large",
                f"{parsed.lines} alerts are more than the queue ever holds ({self.writer.queue_events}): "
                "set max_alerts of the receiver",
            )
        duplicates = await self._commit(parsed)
        log.debug("alerts", accepted=len(parsed.events), duplicates=duplicates, truncated=parsed.truncated)
        if parsed.truncated:
            log.warning("Alertmanager left alerts out; raise max_alerts", truncated=parsed.truncated)
        _tell_rejected("alerts", parsed)
        return JSONResponse({**_account(parsed, duplicates, "alert"), "truncated": parsed.truncated})

    def _parse(self, body: bytes, packed: bool) -> tuple[Parsed, int]:
        plain = self.bodies.unpack(body) if packed else body
        return parse(plain, time.time(), self.writer.queue_events), len(plain)

    @contextmanager
    def _not_too_many(self, what: str, remedy: str) -> Iterator[None]:
        try:
            yield
        except TooMany as error:
            most = self.writer.queue_events
            raise Refusal(
                413, "too_large", f"more than {most} {what}, which the queue never holds: {remedy}"
            ) from error


def _tell_rejected(what: str, parsed: Parsed) -> None:
    if parsed.rejected:
        first = parsed.rejected[0]
        log.warning(
            f"{what} rejected",
            rejected=len(parsed.rejected),
            of=parsed.lines,
            first=first.line,
            first_reason=first.reason,
            first_detail=first.detail,
        )


def _account(parsed: Parsed, duplicates: int, what: str) -> dict[str, object]:
    """Return what became of a body; ``what`` names the place of a rejection: a line, an alert."""
    return {
        "accepted": len(parsed.events),
        "rejected": [{what: r.line, "reason": r.reason, "detail": r.detail} for r in parsed.rejected],
        "duplicates": duplicates,
    }


_REMEDIES = {
    404: "there is nothing here; {root}/ lists what there is",
    405: (
        "this path does not take that method; events go by POST to {root}/v1/events, OpenTelemetry's logs to "
        "{root}/v1/logs, alerts to {root}/v1/alerts, the rest is read by GET"
    ),
}
