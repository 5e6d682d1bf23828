from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from plumbline import Client, tracecontext
from plumbline.logging import IdFilter, JsonFormatter, add_ids, bind, bind_ids, clear, configure, current_ids
from plumbline.logging.record import build, clean, line
from support.exporter_stand_in import StandIn

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("svc", version="3", level=logging.DEBUG, stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    clear()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stream.getvalue().split("\n")[:-1]]


def test_a_line_has_the_names_of_the_data_model(written: io.StringIO) -> None:
    with bind(request_id="r", trace_id=TRACE, span_id=SPAN, model="m", version="1", data_batch_id="b", run_id="u"):
        logging.getLogger("a.b").warning("hello %s", "you", extra={"rows": 3})
    (record,) = lines_of(written)
    assert record["Body"] == "hello you"
    assert (record["SeverityText"], record["SeverityNumber"]) == ("WARNING", 13)
    assert (record["TraceId"], record["SpanId"]) == (TRACE, SPAN)
    assert record["Timestamp"].endswith("Z")
    assert record["InstrumentationScope"] == {"Name": "a.b"}
    assert record["Resource"]["service.name"] == "svc"
    attributes = record["Attributes"]
    assert attributes["rows"] == 3
    assert {k: attributes[k] for k in ("request_id", "model", "version", "data_batch_id", "run_id")} == {
        "request_id": "r",
        "model": "m",
        "version": "1",
        "data_batch_id": "b",
        "run_id": "u",
    }


def test_structlog_lines_have_the_same_form(written: io.StringIO) -> None:
    with bind(request_id="r"):
        structlog.get_logger("s").info("hello", rows=3, name="clash", message="clash", args=[1])
    (record,) = lines_of(written)
    assert record["Body"] == "hello"
    assert record["SeverityNumber"] == 9
    assert record["Attributes"]["request_id"] == "r"
    assert record["Attributes"]["name"] == "clash"
    assert record["Attributes"]["args"] == [1]


def test_the_processor_serves_a_chain_of_ones_own() -> None:
    with bind(request_id="r", model="m"):
        assert add_ids(None, "info", {"event": "x", "model": "mine"}) == {
            "event": "x",
            "model": "mine",
            "request_id": "r",
        }


def test_bindings_nest_and_end(written: io.StringIO) -> None:
    bind_ids(request_id="outer", model="m")
    with bind(request_id="inner", model=None):
        assert dict(current_ids()) == {"request_id": "inner"}
    assert dict(current_ids()) == {"request_id": "outer", "model": "m"}
    clear()
    assert dict(current_ids()) == {}
    with pytest.raises(TypeError, match="no such id: nonsense"):
        bind_ids(nonsense="x")


def test_tasks_and_threads_do_not_see_each_others_ids() -> None:
    seen: dict[str, str | None] = {}

    async def work(name: str) -> None:
        with bind(request_id=name):
            await asyncio.sleep(0.001)
            seen[name] = current_ids().get("request_id")

    async def both() -> None:
        await asyncio.gather(work("a"), work("b"))

    asyncio.run(both())
    thread = threading.Thread(target=lambda: seen.update(thread=current_ids().get("request_id")))
    with bind(request_id="main"):
        thread.start()
        thread.join()
    assert seen == {"a": "a", "b": "b", "thread": None}


class Bad:
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


@pytest.mark.parametrize(
    "body",
    ["a\r\nb", "\0\x1b[31m", "x\u2028y\u2029z\x85", "\ud800 lone", "é\U0001f600", "x" * 10_000_000],
    ids=["crlf", "nul", "separators", "surrogate", "astral", "huge"],
)
def test_any_text_is_one_valid_line(body: str, written: io.StringIO) -> None:
    logging.getLogger().error("%s", body, extra={"also": body, body[:10]: 1})
    text = written.getvalue()
    assert text.isascii()
    assert len(text.splitlines()) == 1
    assert len(text) < 300_000
    record = json.loads(text)
    record["Body"].encode()
    if len(body) > 1000:
        assert record["Body"].endswith("…[9983616 characters cut]")


def test_any_value_is_one_valid_line(written: io.StringIO) -> None:
    deep: list[Any] = []
    deep.append(deep)
    # Our handler alone: pytest's own raises what it cannot format.
    ours = next(h for h in logging.getLogger().handlers if isinstance(h.formatter, JsonFormatter))
    logger = logging.Logger("alone")
    logger.addHandler(ours)
    logger.error("bad %d", "number")
    logger.error(
        Bad(),
        extra={
            "bad": Bad(),
            "deep": deep,
            "wide": list(range(10**6)),
            "nan": float("nan"),
            "inf": float("-inf"),
            "big": 10**5000,
            "bytes": b"\xff",
        },
    )
    first, second = lines_of(written)
    assert first["Body"] == "bad %d [cannot be formatted: TypeError]"
    assert second["Attributes"]["bad"] == "<Bad cannot be shown: ZeroDivisionError>"
    assert second["Attributes"]["nan"] == "NaN"
    assert second["Attributes"]["inf"] == "-Infinity"
    assert len(written.getvalue()) < 20_000


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.sets(st.integers()),
)


@given(st.text(st.characters()), st.dictionaries(st.text(st.characters()), json_like))
def test_a_record_of_anything_is_one_strict_line(body: str, attributes: dict[str, Any]) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    text = line(
        build(
            time=1.7e9, level=20, level_name="INFO", body=body, logger="l", ids={}, attributes=attributes, resource={}
        )
    )
    assert len(text.splitlines()) == 1
    assert json.loads(text, parse_constant=refuse)["Attributes"] == clean(attributes)


def test_an_exception_is_attributes(written: io.StringIO) -> None:
    try:
        raise ValueError("no\nway")
    except ValueError:
        logging.getLogger().exception("failed")
    attributes = lines_of(written)[0]["Attributes"]
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.message"] == "no\nway"
    assert "Traceback" in attributes["exception.stacktrace"]


def test_text_formats_can_use_the_ids() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(IdFilter())
    handler.setFormatter(logging.Formatter("%(request_id)s %(model)s %(message)s"))
    logger = logging.getLogger("text")
    logger.addHandler(handler)
    try:
        with bind(request_id="r"):
            logger.warning("x")
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == "r - x\n"


def test_opentelemetrys_active_span_gives_the_trace(written: io.StringIO) -> None:
    with bind(trace_id=TRACE), TracerProvider().get_tracer("t").start_as_current_span("work") as span:
        logging.getLogger().info("inside")
    context = span.get_span_context()
    (record,) = lines_of(written)
    assert record["TraceId"] == f"{context.trace_id:032x}"
    assert record["SpanId"] == f"{context.span_id:016x}"


def test_without_opentelemetry_all_works(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracecontext, "_otel", None)
    with bind(trace_id=TRACE):
        logging.getLogger().info("x")
    assert lines_of(written)[0]["TraceId"] == TRACE


def test_opentelemetry_may_be_absent_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    spec = importlib.util.find_spec("plumbline.tracecontext")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, fresh)
    spec.loader.exec_module(fresh)
    assert fresh.active_span() is None


def test_lines_are_shipped_as_events_and_the_clients_own_are_not() -> None:
    stand_in = StandIn()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    client = Client(stand_in.url, linger=0.01)
    try:
        configure("svc", level=logging.DEBUG, stream=io.StringIO(), client=client)
        with bind(request_id="r", trace_id=TRACE, span_id=SPAN):
            logging.getLogger("app").error("gone\n\ud800wrong", extra={"rows": float("nan")})
        logging.getLogger("plumbline.client").error("not this")
        assert client.flush()
        assert client.flush()  # urllib3 logged in the client's thread meanwhile
        assert client.stats().created == client.stats().sent == 1
        event = json.loads(stand_in.lines[0])
        assert (event["type"], event["level"], event["message"]) == ("log", "ERROR", "gone\n\ufffdwrong")
        assert (event["request_id"], event["trace_id"], event["logger"]) == ("r", TRACE, "app")
        assert event["fields"]["rows"] == "NaN"
        assert event["fields"]["service.name"] == "svc"
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.reset_defaults()
        client.close(0)
        stand_in.stop()
