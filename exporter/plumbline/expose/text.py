"""Blocks rendered as Prometheus text 0.0.4 or OpenMetrics 1.0.0, plain or gzip.

Reads blocks, writes the page's bytes. What does not change between scrapes is kept: per slice of a block
a template with all label prefixes in place and the bytes it last gave, and per about 1,000 series one
gzip member (RFC 1952 allows a file of many). So a scrape costs what changed, not what there is.

Slices also bound how long one step holds the interpreter's lock: other threads run between them.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from prometheus_client.utils import floatToGoString

from plumbline.expose.block import Block, Exemplar, Floats
from plumbline.names import Metric

CHUNK_SERIES = 1000
_EOF = b"# EOF\n"
# Above this a float64 no longer holds every integer; repr says what it holds.
_EXACT = float(2**53)


def escape_label(value: str) -> str:
    """Return a label value as it stands between the quotes."""
    return _no_surrogates(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _no_surrogates(text: str) -> str:
    # JSON can carry half of a surrogate pair; UTF-8 cannot, and one such label must not lose the page.
    return text.encode("utf-8", "replace").decode("utf-8")


def number(value: float) -> str:
    """Return a sample value: integers without a point, the rest as repr, infinities as ``+Inf``."""
    if value != value:
        return "NaN"
    if value in (np.inf, -np.inf):
        return "+Inf" if value > 0 else "-Inf"
    if abs(value) < _EXACT and value == int(value):
        return str(int(value))
    return repr(float(value))


def go_float(bound: float) -> str:
    """Return a bucket's bound as Go writes it (``1.0``, ``2.592e+06``): le is compared as text."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


def header(metric: Metric, openmetrics: bool) -> bytes:
    """Return the HELP and TYPE lines of a family."""
    name = metric.family if openmetrics else metric.name
    text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        text = text.replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}\n".encode()


def _labels(names: Sequence[str], values: Sequence[str], extra: str = "") -> str:
    pairs = [f'{n}="{escape_label(v)}"' for n, v in zip(names, values, strict=True)]
    if extra:
        pairs.append(extra)
    return "{" + ",".join(pairs) + "}" if pairs else ""


def exemplar_fits(exemplar: Exemplar) -> bool:
    """Whether OpenMetrics allows it: at most 128 characters of names and values; more fails the scrape."""
    return sum(len(name) + len(value) for name, value in exemplar.labels.items()) <= 128


def _exemplar(exemplar: Exemplar) -> str:
    if not exemplar_fits(exemplar):
        return ""
    labels = _labels(tuple(exemplar.labels), tuple(exemplar.labels.values()))
    return f" # {labels or '{}'} {number(exemplar.value)} {exemplar.timestamp:.3f}"


@dataclass(slots=True)
class _Piece:
    """A slice of one block, with everything that its next rendering can reuse."""

    metric: Metric
    labels: tuple[tuple[str, ...], ...]
    start: int
    stop: int
    generation: int = -1
    values: Floats | None = None
    sums: Floats | None = None
    exemplars: dict[tuple[int, int], Exemplar] = field(default_factory=dict)
    shown: bytes = b""  # which rows the templates hold
    template: str = ""
    bodies: tuple[bytes, bytes] = (b"", b"")  # text, OpenMetrics
    token: int = 0  # changes with the bodies
    series: int = 0

    def same(self, block: Block) -> bool:
        """Whether the rows of this slice are what they were; only the array is looked at."""
        if self.values is None or not np.array_equal(self.values, block.values[self.start : self.stop], True):
            return False
        if block.sums is None or self.sums is None:
            return True
        if not np.array_equal(self.sums, block.sums[self.start : self.stop], True):
            return False
        return self.exemplars == self._own_exemplars(block)

    def _own_exemplars(self, block: Block) -> dict[tuple[int, int], Exemplar]:
        return {k: e for k, e in block.exemplars.items() if self.start <= k[0] < self.stop}

    def update(self, block: Block, token: int) -> None:
        """Render the slice anew."""
        self.values = block.values[self.start : self.stop].copy()
        self.token = token
        if self.metric.kind == "histogram":
            assert block.sums is not None
            self.sums = block.sums[self.start : self.stop].copy()
            self.exemplars = self._own_exemplars(block)
            self._render_histograms()
        else:
            self._render_plain(self.values)

    def _render_plain(self, values: Floats) -> None:
        present = ~np.isnan(values)
        rows = present.tobytes()
        if rows != self.shown:
            name, labels = self.metric.name, self.metric.labels
            # One template for the slice: filling it is a single call, whatever the number of series.
            self.template = "".join(
                f"{name}{_labels(labels, own)} ".replace("%", "%%") + "%s\n"
                for own, here in zip(self.labels, present.tolist(), strict=True)
                if here
            )
            self.shown = rows
        if not present.all():
            values = values[present]
        self.series = len(values)
        body = (self.template % _numbers(values)).encode()
        self.bodies = (body, body)

    def _render_histograms(self) -> None:
        assert self.values is not None
        assert self.sums is not None
        present = ~(np.isnan(self.values).any(axis=1) | np.isnan(self.sums))
        rows = present.tobytes()
        name, bounds = self.metric.name, (*self.metric.buckets, float("inf"))
        if rows != self.shown:
            parts = []
            for own, here in zip(self.labels, present.tolist(), strict=True):
                if not here:
                    continue
                for bound in bounds:
                    le = f'le="{go_float(bound)}"'
                    parts.append(f"{name}_bucket{_labels(self.metric.labels, own, le)} ".replace("%", "%%"))
                    parts.append("%s%s\n")
                labels = _labels(self.metric.labels, own).replace("%", "%%")
                parts.append(f"{name}_sum{labels} %s\n{name}_count{labels} %s\n")
            self.template = "".join(parts)
            self.shown = rows
        cumulative = np.cumsum(self.values, axis=1)
        plain: list[str] = []
        with_exemplars: list[str] = []
        for row in np.flatnonzero(present).tolist():
            counts = [number(c) for c in cumulative[row].tolist()]
            for bucket, count in enumerate(counts):
                exemplar = self.exemplars.get((self.start + row, bucket))
                plain += (count, "")
                with_exemplars += (count, "" if exemplar is None else _exemplar(exemplar))
            tail = (number(float(self.sums[row])), counts[-1])
            plain += tail
            with_exemplars += tail
        self.series = int(present.sum()) * (len(bounds) + 2)
        text = (self.template % tuple(plain)).encode()
        exact = text if not self.exemplars else (self.template % tuple(with_exemplars)).encode()
        self.bodies = (text, exact)


def _numbers(values: Floats) -> tuple[object, ...]:
    """Return what ``%s`` turns into valid sample values."""
    if len(values) == 0:
        return ()
    if np.isfinite(values).all():
        if np.abs(values).max() < _EXACT and (values == np.rint(values)).all():
            return tuple(values.astype(np.int64).tolist())
        return tuple(values.tolist())
    return tuple(map(number, values.tolist()))


class Renderer:
    """Renders pages; safe to call from many threads, one at a time does the work."""

    def __init__(self, chunk_series: int = CHUNK_SERIES) -> None:
        self._chunk = chunk_series
        self._pieces: dict[tuple[str, int], _Piece] = {}
        self._members: tuple[dict[tuple[object, ...], bytes], dict[tuple[object, ...], bytes]] = ({}, {})
        self._token = 0
        self._lock = threading.Lock()
        self._eof = _gzip(_EOF)

    def render(self, blocks: Iterable[Block], openmetrics: bool = False, compress: bool = False) -> bytes:
        """Return the page.

        Args:
            blocks: in any order; those of one family are put together, families in order of appearance.
            openmetrics: OpenMetrics 1.0.0 instead of text 0.0.4.
            compress: as gzip, to be sent with ``Content-Encoding: gzip``.
        """
        families: dict[str, list[Block]] = {}
        for block in blocks:
            families.setdefault(block.metric.name, []).append(block)
        with self._lock:
            chunks = self._chunks(families, openmetrics)
            if not compress:
                parts = [part for _, chunk in chunks for part in chunk]
                return b"".join([*parts, _EOF] if openmetrics else parts)
            members = self._compress(chunks, openmetrics)
            # A gzip stream has at least one member, even of nothing.
            return b"".join([*members, self._eof]) if openmetrics else b"".join(members) or _gzip(b"")

    def _chunks(
        self, families: dict[str, list[Block]], openmetrics: bool
    ) -> list[tuple[tuple[object, ...], list[bytes]]]:
        kept: dict[tuple[str, int], _Piece] = {}
        chunks: list[tuple[tuple[object, ...], list[bytes]]] = []
        identity: list[object] = []
        parts: list[bytes] = []
        size = 0
        for blocks in families.values():
            pieces = [piece for block in blocks for piece in self._update(block, kept)]
            if not any(piece.series for piece in pieces):
                continue  # a family with no sample now says nothing
            metric = blocks[0].metric
            identity.append(metric.name)
            parts.append(header(metric, openmetrics))
            for piece in pieces:
                identity.append(piece.token)
                parts.append(piece.bodies[openmetrics])
                size += piece.series
                if size >= self._chunk:
                    chunks.append((tuple(identity), parts))
                    identity, parts, size = [], [], 0
        if parts:
            chunks.append((tuple(identity), parts))
        self._pieces = kept  # what vanished from the blocks is forgotten here
        return chunks

    def _update(self, block: Block, kept: dict[tuple[str, int], _Piece]) -> Iterable[_Piece]:
        per_row = len(block.metric.buckets) + 3 if block.metric.kind == "histogram" else 1
        step = max(1, self._chunk // per_row)
        rows = len(block.labels)
        for start in range(0, rows, step):
            name = (block.key, start)
            piece = self._pieces.get(name)
            stop = min(start + step, rows)
            if piece is None or piece.generation != block.generation:
                labels = block.labels[start:stop]
                if piece is None or piece.labels != labels or piece.metric is not block.metric:
                    piece = _Piece(block.metric, labels, start, stop)
                if not piece.same(block):
                    self._token += 1
                    piece.update(block, self._token)
                piece.generation = block.generation
            kept[name] = piece
            yield piece

    def _compress(self, chunks: list[tuple[tuple[object, ...], list[bytes]]], openmetrics: bool) -> list[bytes]:
        known = self._members[openmetrics]
        fresh: dict[tuple[object, ...], bytes] = {}
        for identity, parts in chunks:
            member = known.get(identity)
            fresh[identity] = _gzip(b"".join(parts)) if member is None else member
        known.clear()
        known.update(fresh)
        return list(fresh.values())


def _gzip(data: bytes) -> bytes:
    """Return one gzip member. Level 1: level 9 costs ten times as much for a tenth less."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # 31: gzip header, whose mtime zlib leaves at 0
    return packer.compress(data) + packer.flush()
