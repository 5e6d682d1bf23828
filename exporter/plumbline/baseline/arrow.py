"""Files through pyarrow: CSV and Parquet in batches, with its errors as ours.

pyarrow comes with the ``baseline`` extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from plumbline.errors import TableError

BATCH_ROWS = 65_536
_CSV_BLOCK = 8 << 20


class reading:  # noqa: N801 - used as a context manager
    """Maps pyarrow's and the system's errors to TableError."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise TableError(f"{self._path}: no such file") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise TableError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        if error is not None and _is_arrow_error(error):
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            remedy = _remedy(first)
            raise TableError(f"{self._path}: not a readable table: {first}; {remedy}") from error


def _remedy(message: str) -> str:
    if "Empty CSV" in message:
        return "it needs a header line and rows"
    if "Expected" in message and "columns" in message:
        return "every line must have as many cells as the header"
    if "UTF8" in message or "UTF-8" in message:
        return "save it as UTF-8"
    return "restore it or write it again"


def load_pyarrow() -> Any:
    """Return pyarrow; raise a TableError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("reading tables needs pyarrow: pip install 'plumbline[baseline]'") from error
    return pyarrow


def _is_arrow_error(error: BaseException) -> bool:
    lib = load_pyarrow().lib
    return isinstance(error, lib.ArrowException | OSError | EOFError | UnicodeDecodeError)


def is_parquet(path: Path) -> bool:
    """Return whether the file's first bytes are Parquet's."""
    with reading(path), path.open("rb") as file:
        return file.read(4) == b"PAR1"


def parquet_file(path: Path) -> Any:
    """Open a Parquet file; errors are pyarrow's."""
    return load_pyarrow().parquet.ParquetFile(path)


def open_csv(path: Path, columns: Sequence[str] | None) -> Any:
    """Open a CSV file, whose cells stay text, to be read in batches; None = all columns."""
    pa = load_pyarrow()
    read = pa.csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False)
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    # Cells stay text until our own conversion, which can name the row of a wrong one.
    types = {name: pa.string() for name in columns or ()}
    convert = pa.csv.ConvertOptions(
        include_columns=list(columns) if columns is not None else None, column_types=types, strings_can_be_null=False
    )
    return pa.csv.open_csv(str(path), read_options=read, parse_options=parse, convert_options=convert)


def arrow_batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Yield record batches of the file, in order; raise a TableError where it cannot be read."""
    with reading(path):
        if is_parquet(path):
            yield from parquet_file(path).iter_batches(batch_size=BATCH_ROWS, columns=list(columns))
            return
        with open_csv(path, columns) as reader:
            for batch in reader:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
