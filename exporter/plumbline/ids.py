"""The ids of the work in progress: bound once, present in every log line and event made meanwhile.

Reads nothing; writes one context variable. Each asyncio task and each thread sees its own binding; a
thread pool carries it along only where it copies the context (``asyncio.to_thread`` and Starlette's do,
``concurrent.futures`` does not: use ``contextvars.copy_context().run``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

# In the order in which they are written. span_id, trace_flags and tracestate belong to the trace.
ID_NAMES = ("request_id", "trace_id", "model", "version", "data_batch_id", "run_id")
TRACE_NAMES = ("span_id", "trace_flags", "tracestate")
_KNOWN = frozenset((*ID_NAMES, *TRACE_NAMES))
_MAX_CHARS = 512  # as long as a tracestate may be

_EMPTY: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("plumbline_ids", default=_EMPTY)


def current_ids() -> Mapping[str, str]:
    """Return what is bound here and now, read only."""
    return _ids.get()


def bind_ids(**ids: str | None) -> None:
    """Bind ids for the rest of this context; ``None`` unbinds one.

    Args:
        ids: any of ``ID_NAMES`` or ``TRACE_NAMES``. A value that is no text is bound as its text.

    Raises:
        TypeError: for another name, as for any unknown keyword: it is a slip in the program.
    """
    unknown = ids.keys() - _KNOWN
    if unknown:
        raise TypeError(f"no such id: {', '.join(sorted(unknown))}; there are {', '.join(ID_NAMES)}")
    merged = dict(_ids.get())
    for name, value in ids.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = str(value)[:_MAX_CHARS]
    _ids.set(MappingProxyType(merged))


@contextmanager
def bind(**ids: str | None) -> Iterator[None]:
    """Bind ids for the length of a ``with`` block; afterwards all is as it was before."""
    before = _ids.get()
    bind_ids(**ids)
    try:
        yield
    finally:
        # Not Token.reset: a block inside a generator may end in another context than it began in.
        _ids.set(before)


def clear() -> None:
    """Unbind everything here."""
    _ids.set(_EMPTY)
