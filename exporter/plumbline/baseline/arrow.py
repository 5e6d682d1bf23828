"""Tables through pyarrow: any separated text, Parquet and Arrow in batches, with its errors as ours.

A file is what its first bytes say, whatever it is called; a folder is the table of the files in it. pyarrow comes
with the ``baseline`` extra.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from plumbline.errors import TableError
from plumbline.files import UTF16_MARKS

Kind = Literal["parquet", "arrow", "stream", "text"]

BATCH_ROWS = 65_536
_CSV_BLOCK = 8 << 20
_HEAD_BYTES = 65_536
_BINARY: dict[bytes, Kind] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "stream"}
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz"}
_SEPARATORS = ",\t;|"
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Map pyarrow's and the system's errors to TableError."""
    try:
        yield
    except FileNotFoundError as error:
        raise TableError(f"{path}: no such file") from error
    except OSError as error:
        if error.errno is None:  # one of pyarrow's
            raise _damaged(path, error) from error
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, UnicodeDecodeError, load_pyarrow().lib.ArrowException) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> TableError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TableError(f"{path}: not a readable table: {first}; {_remedy(first)}")


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
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise TableError("reading tables needs pyarrow: pip install 'plumbline[baseline]'") from error
    return pyarrow


def table_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files of some tables: of a folder those in it, in the order of their names.

    What begins with ``_`` or ``.`` (``_SUCCESS``) is left out, as Spark, dask and pyarrow do.

    Raises:
        TableError: a folder holds no file, or is a table of which some files are no part any more.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        if (path / "_delta_log").is_dir():
            raise TableError(f"{path}: a Delta table keeps files that are no part of it any more: export it as Parquet")
        found = [one for one in sorted(path.rglob("*")) if one.is_file()]
        parts = [one for one in found if not any(step.startswith(("_", ".")) for step in one.relative_to(path).parts)]
        if not parts:
            raise TableError(f"{path}: the folder holds no table: name the files, or the folder of the part files")
        files += parts
    return tuple(files)


def kind_of(path: Path) -> Kind:
    """Return what a file is by its first bytes.

    Raises:
        TableError: it cannot be opened, or is of a kind that is not read.
    """
    with reading(path), path.open("rb") as file:
        head = file.read(16)
    found: Kind = next((kind for magic, kind in _BINARY.items() if head.startswith(magic)), "text")
    if found == "text" and b"\0" in head and not head.startswith((*_PACKED, *UTF16_MARKS)):
        raise TableError(
            f"{path}: is neither text nor Parquet nor Arrow: save the sheet as CSV, or the table as Parquet"
        )
    return found


def _partition(path: Path) -> dict[str, str | None]:
    """Return the columns that the folders ``key=value`` above a file stand for, as Hive and Spark write them."""
    steps = []
    for folder in path.parents:
        if "=" not in folder.name:
            break
        steps.append(unquote(folder.name).split("=", 1))
    return {key: None if value == _NULL_PARTITION else value for key, value in reversed(steps)}


@contextmanager
def _batches_of(path: Path, columns: Sequence[str] | None) -> Iterator[tuple[Any, Iterable[Any]]]:
    """Give the schema and the batches of a file; None = all columns."""
    pa = load_pyarrow()
    kind = kind_of(path)
    if kind == "parquet":
        parquet = pa.parquet.ParquetFile(path)
        yield parquet.schema_arrow, parquet.iter_batches(batch_size=BATCH_ROWS, columns=columns)
    elif kind == "text":
        with _open_csv(path, columns) as reader:
            yield reader.schema, reader
    else:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source) if kind == "arrow" else pa.ipc.open_stream(source)
            every = (reader.get_batch(i) for i in range(reader.num_record_batches)) if kind == "arrow" else reader
            yield reader.schema, every if columns is None else (batch.select(columns) for batch in every)


def _open_csv(path: Path, columns: Sequence[str] | None) -> Any:
    """Open a separated text, whose cells stay text."""
    pa = load_pyarrow()
    with path.open("rb") as file:
        head = file.read(16)
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
    if packed == "xz":
        raise TableError(f"{path}: is packed by xz: unpack it first")
    with pa.input_stream(str(path), compression=packed) as stream:
        head = stream.read(_HEAD_BYTES)
    wide = head.startswith(UTF16_MARKS)
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace")
    hint = re.match(r'"?sep=(.)"?\r?\n', text)  # a line that Excel reads, and others therefore write
    code = "utf-16" if wide else "utf8"
    read = pa.csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=False, encoding=code, skip_rows=int(bool(hint)))
    parse = pa.csv.ParseOptions(newlines_in_values=True, delimiter=hint[1] if hint else separator(text))
    # Cells stay text until our own conversion, which can name the row of a wrong one.
    types = {name: pa.string() for name in columns or ()}
    convert = pa.csv.ConvertOptions(
        include_columns=list(columns) if columns is not None else None, column_types=types, strings_can_be_null=False
    )
    stream = pa.input_stream(str(path), compression=packed)
    return pa.csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert)


def separator(text: str) -> str:
    """Return what separates the cells of a header line: comma, tab, semicolon or bar, the most frequent of them."""
    header = re.sub(r'"[^"]*"', "", text).lstrip("\r\n").partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def columns_of(path: Path) -> list[str]:
    """Return the names of a file's columns, those of its partition last.

    Raises:
        TableError: the file is absent, empty, no table, or names a column twice.
    """
    with reading(path), _batches_of(path, None) as (schema, _):
        names = [str(name) for name in schema.names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TableError(f"{path}: column {twice[0]!r} appears twice: rename one of them")
    return names + [name for name in _partition(path) if name not in names]


def typed_columns(path: Path, columns: Iterable[str]) -> set[str]:
    """Return the columns whose cells have a type of their own; those of a text, and of a partition, are texts."""
    return set() if kind_of(path) == "text" else set(columns) - _partition(path).keys()


def arrow_batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Yield record batches of the file, in order; raise a TableError where it cannot be read."""
    given = _partition(path)
    if given:
        own = columns_of(path)[: -len(given)]
        given = {name: value for name, value in given.items() if name not in own}
    with reading(path), _batches_of(path, [name for name in columns if name not in given]) as (_, batches):
        pa = load_pyarrow()
        for batch in batches:
            for name, value in given.items():
                batch = batch.append_column(name, pa.array([value] * batch.num_rows, pa.string()))
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)
