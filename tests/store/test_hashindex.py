from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.store.hashindex import HashIndex
from support.search import examples

KEYS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)


@settings(max_examples=examples(60))
@given(batches=st.lists(st.lists(KEYS, min_size=1, max_size=20), max_size=30), reload_at=st.integers(0, 30))
def test_finds_exactly_what_was_added_also_after_reloading(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], reload_at: int
) -> None:
    folder = tmp_path_factory.mktemp("index")
    index = HashIndex(folder, tail_events=16)
    expected: dict[int, list[int]] = defaultdict(list)
    events: list[tuple[int, int]] = []
    seq = 0
    for number, batch in enumerate(batches):
        pairs = []
        for key in batch:
            seq += 1
            expected[key].append(seq)
            pairs.append((key, seq))
        events += pairs
        index.add(pairs, seq)
        if number == reload_at:
            index = HashIndex(folder, tail_events=16)
            first = index.load(seq)
            index.add([p for p in events if p[1] >= first], seq)
    assert index.find([*expected, 12345]) == dict(expected)


def filled(folder: Path, events: int = 200) -> HashIndex:
    index = HashIndex(folder, tail_events=16)
    for seq in range(1, events + 1):
        index.add([(seq * 7919, seq)], seq)
    return index


def test_files_are_merged_so_that_few_remain(tmp_path: Path) -> None:
    filled(tmp_path, 1600)
    assert len(list(tmp_path.glob("*.idx"))) < 20


@pytest.mark.parametrize("damage", ["flip", "cut", "foreign"])
def test_a_damaged_file_is_dropped_and_its_range_asked_for_again(tmp_path: Path, damage: str) -> None:
    filled(tmp_path)
    victim = sorted(tmp_path.glob("*.idx"))[0]
    data = bytearray(victim.read_bytes())
    if damage == "flip":
        data[40] ^= 1
    elif damage == "cut":
        del data[-5:]
    else:
        data[:4] = b"ABCD"
    victim.write_bytes(data)
    index = HashIndex(tmp_path, tail_events=16)
    assert index.load(200) == 1
    assert list(tmp_path.glob("*.idx")) == []


def test_files_newer_than_the_database_are_dropped(tmp_path: Path) -> None:
    filled(tmp_path)
    index = HashIndex(tmp_path, tail_events=16)
    first = index.load(40)
    assert first <= 41
    assert index.find([200 * 7919]) == {}


def test_files_are_searched_in_place(tmp_path: Path) -> None:
    """numpy copies an unaligned array, all of it, for every search."""
    filled(tmp_path)
    index = HashIndex(tmp_path)
    index.load(10**6)
    assert index._segments
    for segment in index._segments:
        assert segment.path is not None
        assert segment.keys.flags.aligned
        assert segment.seqs.flags.aligned
