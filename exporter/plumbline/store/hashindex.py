"""Which stored events have this 64-bit key? A log-structured index beside the database.

A random key in a B-tree costs a page write per event; here new keys go into a dict, a full dict becomes
a sorted file, and small files merge into larger ones. The files can always be made again from the
database, which alone is the truth: a missing, torn or foreign file is deleted and rebuilt.

Each file covers the events of one range of sequence numbers, ``first`` to ``last``, and says so in its
name. Layout: magic, CRC-32 of the rest, count, then keys (sorted int64) and sequence numbers (int64).
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

TAIL_EVENTS = 65_536
FAN_IN = 8
LARGEST = TAIL_EVENTS * FAN_IN * FAN_IN  # merging beyond ~4M keys would pause the writer for seconds
_MAGIC = b"PLIDX2\0\0"
# 24 bytes: numpy copies a whole array that does not begin at a multiple of 8 before it searches in it.
_HEAD = struct.Struct("<8sI4xQ")


class _Segment:
    """A sorted run of keys with their sequence numbers."""

    __slots__ = ("first", "keys", "last", "path", "seqs")

    def __init__(self, first: int, last: int, keys: Ints, seqs: Ints, path: Path | None) -> None:
        self.first, self.last, self.keys, self.seqs, self.path = first, last, keys, seqs, path


class HashIndex:
    """Keys to sequence numbers; one key may have several.

    Not thread-safe for writing; ``find`` and ``find_after`` may run in other threads while ``add`` runs,
    because segments are replaced, never changed, and a full dict becomes a segment before it goes.

    Args:
        folder: of the files; made if absent.
        tail_events: keys that the dict holds.
        readonly: another process owns the folder: use its files, write and delete none.
    """

    def __init__(self, folder: Path, tail_events: int = TAIL_EVENTS, *, readonly: bool = False) -> None:
        self._folder = folder
        self._tail_events = tail_events
        self._readonly = readonly
        self._tail: dict[int, list[int]] = {}
        self._tail_range: tuple[int, int] | None = None
        self._segments: tuple[_Segment, ...] = ()
        if not readonly:
            folder.mkdir(parents=True, exist_ok=True)

    def load(self, last_seq: int) -> int:
        """Load the files that agree with a database whose newest event is ``last_seq``.

        Returns:
            The sequence number after the last one covered: the caller adds the events from there on.
        """
        usable = []
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            segment = _read(path)
            if segment is not None and segment.last <= last_seq:
                usable.append(segment)
            elif not self._readonly:
                path.unlink(missing_ok=True)
        # A crash between writing a merged file and deleting its parts leaves both: keep the larger.
        usable.sort(key=lambda s: (s.first, -s.last))
        kept: list[_Segment] = []
        covered = 0
        for segment in usable:
            if segment.first == covered + 1:
                kept.append(segment)
                covered = segment.last
            elif segment.path is not None and not self._readonly:
                segment.path.unlink(missing_ok=True)
        self._segments = tuple(kept)
        return covered + 1

    def add(self, pairs: Iterable[tuple[int, int]], last_seq: int) -> None:
        """Add (key, seq) pairs of newly committed events, the newest of which is ``last_seq``."""
        tail = self._tail
        for key, seq in pairs:
            known = tail.get(key)
            if known is None:
                tail[key] = [seq]
            else:
                known.append(seq)
        first = self._tail_range[0] if self._tail_range else self._covered() + 1
        self._tail_range = (first, last_seq)
        if len(tail) >= self._tail_events:
            self._freeze()

    def find(self, keys: Sequence[int]) -> dict[int, list[int]]:
        """Return the sequence numbers of each key that has any, oldest first."""
        found: dict[int, list[int]] = {}
        if not keys:
            return found
        wanted = np.unique(np.asarray(keys, dtype=np.int64))
        tail, segments = self._tail, self._segments  # in this order: see the class
        covered = segments[-1].last if segments else 0
        for segment in segments:
            left = np.searchsorted(segment.keys, wanted, side="left")
            inside = left < len(segment.keys)
            hit = np.zeros(len(wanted), dtype=bool)
            hit[inside] = segment.keys[left[inside]] == wanted[inside]
            for at in np.flatnonzero(hit):
                key = int(wanted[at])
                right = int(np.searchsorted(segment.keys, key, side="right"))
                found.setdefault(key, []).extend(int(s) for s in segment.seqs[int(left[at]) : right])
        for key in dict.fromkeys(keys):
            known = tail.get(key)
            if known and known[-1] > covered:
                found.setdefault(key, []).extend(known[bisect_right(known, covered) :])
        return found

    def find_after(self, key: int, after: int, limit: int) -> list[int]:
        """Return sequence numbers of the key above ``after``, ascending, at most ``limit``."""
        found: list[int] = []
        tail, segments = self._tail, self._segments  # in this order: see the class
        for segment in segments:
            if segment.last <= after or len(found) >= limit:
                continue
            left, right = (int(np.searchsorted(segment.keys, key, side=side)) for side in ("left", "right"))
            seqs = segment.seqs[left:right]
            start = int(np.searchsorted(seqs, after, side="right"))
            found += seqs[start : start + limit - len(found)].tolist()
        known = tail.get(key)
        if known and len(found) < limit:
            start = bisect_right(known, max(after, segments[-1].last if segments else 0))
            found += known[start : start + limit - len(found)]
        return found

    def _covered(self) -> int:
        return self._segments[-1].last if self._segments else 0

    def _freeze(self) -> None:
        assert self._tail_range is not None
        first, last = self._tail_range
        keys = np.fromiter((k for k, seqs in self._tail.items() for _ in seqs), dtype=np.int64)
        seqs = np.fromiter((s for seqs in self._tail.values() for s in seqs), dtype=np.int64)
        segments = [*self._segments, self._write(first, last, keys, seqs)]
        self._segments = tuple(segments)
        self._tail, self._tail_range = {}, None
        self._merge()

    def _merge(self) -> None:
        if self._readonly:
            return
        segments = list(self._segments)
        while len(segments) >= FAN_IN:
            group = segments[-FAN_IN:]
            sizes = [len(s.keys) for s in group]
            if max(sizes) > 2 * min(sizes) or sum(sizes) > LARGEST * 2:
                break
            merged = self._write(
                group[0].first,
                group[-1].last,
                np.concatenate([s.keys for s in group]),
                np.concatenate([s.seqs for s in group]),
            )
            segments[-FAN_IN:] = [merged]
            self._segments = tuple(segments)
            for old in group:
                if old.path is not None:
                    old.path.unlink(missing_ok=True)

    def _write(self, first: int, last: int, keys: Ints, seqs: Ints) -> _Segment:
        order = np.lexsort((seqs, keys))
        keys, seqs = np.ascontiguousarray(keys[order]), np.ascontiguousarray(seqs[order])
        if self._readonly:
            return _Segment(first, last, keys, seqs, None)
        path = self._folder / f"{first:016d}-{last:016d}.idx"
        body = keys.tobytes() + seqs.tobytes()
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(_HEAD.pack(_MAGIC, zlib.crc32(body), len(keys)))
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)  # its folder is not synced: a lost name costs a rebuild, no event
        except OSError:
            # The database holds the truth; without the file the next start is only slower.
            temporary.unlink(missing_ok=True)
            return _Segment(first, last, keys, seqs, None)
        return _read(path) or _Segment(first, last, keys, seqs, None)


def _read(path: Path) -> _Segment | None:
    """Map a segment file; None if it is not one or is damaged."""
    if path.suffix != ".idx":
        return None
    try:
        first, last = (int(part) for part in path.stem.split("-"))
        with path.open("rb") as file:
            magic, crc, count = _HEAD.unpack(file.read(_HEAD.size))
        if magic != _MAGIC or path.stat().st_size != _HEAD.size + 16 * count:
            return None
        data = np.memmap(path, dtype=np.int64, mode="r", offset=_HEAD.size, shape=(2 * count,))
        if zlib.crc32(data.data) != crc:
            return None
    except (OSError, ValueError, struct.error):
        return None
    return _Segment(first, last, np.asarray(data[:count]), np.asarray(data[count:]), path)
