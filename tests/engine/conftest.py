from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.engine import Engine
from samples import open_sample


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Open sample engines that are closed at the end; a folder may be opened again once closed."""
    engines: list[Engine] = []

    def open_(folder: Path | None = None, **changes: Any) -> Engine:
        engines.append(open_sample(folder or tmp_path, **changes))
        return engines[-1]

    yield open_
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(opened: Callable[..., Engine]) -> Engine:
    return opened()
