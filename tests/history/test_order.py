import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.errors import TableError
from plumbline.history.order import arrange
from plumbline.history.records import JsonLines
from support.search import examples


def write(path: Path, times: list[int]) -> JsonLines:
    path.write_text("".join(f'{{"ts": {at}, "n": {n}}}\n' for n, at in enumerate(times)))
    return JsonLines([path])


@settings(max_examples=examples(40))
@given(times=st.lists(st.integers(0, 30), min_size=1, max_size=60), memory=st.sampled_from([1, 700, 1 << 20]))
def test_any_order_comes_out_in_the_order_of_time_and_equal_times_as_they_stood(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], memory: int
) -> None:
    folder = tmp_path_factory.mktemp("order")
    arranged = arrange(write(folder / "h.ndjson", times), folder / "scratch", memory)
    found = [(record.ts, json.loads(record.line)["n"]) for record in arranged.records()]
    assert found == sorted(zip(times, range(len(times)), strict=True))
    assert (arranged.events, arranged.first, arranged.last) == (len(times), min(times), max(times))
    assert arranged.source.where(next(iter(arranged.records())).place).startswith(f"{folder / 'h.ndjson'}:")


def test_what_is_in_order_is_not_copied_to_disk(tmp_path: Path) -> None:
    arranged = arrange(write(tmp_path / "h.ndjson", [1, 1, 2]), tmp_path / "scratch", 1)
    assert len(list(arranged.records())) == 3
    assert not (tmp_path / "scratch").exists()


def test_a_copy_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("")
    with pytest.raises(TableError, match=r"scratch/sorted\.sqlite: cannot be written while sorting"):
        arrange(write(tmp_path / "h.ndjson", [2, 1]), tmp_path / "scratch")


def test_an_empty_history_is_named(tmp_path: Path) -> None:
    (tmp_path / "h.ndjson").write_text("\n")
    with pytest.raises(TableError, match=r"h\.ndjson: no events"):
        arrange(JsonLines([tmp_path / "h.ndjson"]), tmp_path / "scratch")


PEAK = """
import resource, sys
from pathlib import Path
from plumbline.history.order import arrange
from plumbline.history.records import JsonLines
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
arranged = arrange(JsonLines([Path(sys.argv[1])]), Path(sys.argv[2]), 2 << 20)
previous = 0.0
for count, record in enumerate(arranged.records(), start=1):
    assert record.ts >= previous
    previous = record.ts
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_memory_does_not_grow_with_the_history(tmp_path: Path) -> None:
    path, events = tmp_path / "h.ndjson", 100_000
    rng = random.Random(2)
    with path.open("w") as file:
        for _ in range(events):
            file.write(f'{{"ts": {rng.randrange(10**6)}, "features": {{"text": "{"x" * 560}"}}}}\n')
    assert path.stat().st_size > 55 << 20
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(tmp_path / "scratch")], capture_output=True, text=True, check=True
    )
    count, mebibytes = map(int, done.stdout.split())
    assert count == events
    assert mebibytes < 30


TABLE_PEAK = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from plumbline.catalogue.model import Model
from plumbline.history.open import open_history
from plumbline.history.order import arrange
path, scratch, rows = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
names = [f"feature_{i}" for i in range(10)]
with pq.ParquetWriter(path, pa.schema([("ts", pa.float64()), ("actual", pa.float64()), ("prediction", pa.float64()),
                                       *((name, pa.float64()) for name in names)])) as writer:
    for _ in range(rows // 50_000):
        part = {name: rng.normal(size=50_000) for name in ("actual", "prediction", *names)}
        writer.write_table(pa.table({"ts": rng.uniform(1.6e9, 1.7e9, 50_000), **part}, schema=writer.schema))
model = Model.model_validate({"task": "regression", "owner": "t", "features": {n: {"type": "numeric"} for n in names}})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source, _ = open_history([path], {"m": model}, version="1")
arranged = arrange(source, scratch, 4 << 20)
print(sum(1 for _ in arranged.records()), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def test_memory_does_not_grow_with_a_table(tmp_path: Path) -> None:
    """300,000 rows are 600,000 events, which as Python objects take more than 300 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", TABLE_PEAK, str(tmp_path / "h.parquet"), str(tmp_path / "scratch"), "300000"],
        capture_output=True,
        text=True,
        check=True,
    )
    count, mebibytes = map(int, done.stdout.split())
    assert count == 600_000
    assert mebibytes < 180
