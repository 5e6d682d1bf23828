from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from plumbline.ingest.engine import Engine
from support import samples


@pytest.fixture
def send(engine: Engine) -> Callable[..., None]:
    """Store events; none may be rejected."""
    return partial(samples.send, engine)
