"""Traces and batches from a running exporter, over HTTP. The counterpart of ``plumbline.trace.http``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

import msgspec
import requests

from plumbline.errors import PlumblineError
from plumbline.trace.model import Batch, Trace, UsedPage

_TIMEOUT = (5.0, 300.0)  # a batch of millions of predictions takes a while to count
T = TypeVar("T")


@dataclass(slots=True)
class Client:
    """Answers of the exporter at ``url``; the same questions as ``plumbline.trace.lookup.Lookup``."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def trace(self, request_id: str) -> Trace | None:
        """Return a trace, None if the exporter holds nothing of it.

        Raises:
            PlumblineError: no exporter answers, or with something else. So do the other methods.
        """
        return self._get(f"trace/{quote(request_id, safe='')}", {}, Trace)

    def batch(self, data_batch_id: str) -> Batch | None:
        """Return a batch, None if the exporter holds nothing of it."""
        return self._get(f"batch/{quote(data_batch_id, safe='')}", {}, Batch)

    def used(self, data_batch_id: str, after: int = 0, limit: int = 1000) -> UsedPage:
        """Return a part of the predictions that used a batch."""
        parameters = {"part": "predictions", "after": str(after), "limit": str(limit)}
        found = self._get(f"batch/{quote(data_batch_id, safe='')}", parameters, UsedPage)
        return found or UsedPage(data_batch_id, [], None)

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def _get(self, path: str, parameters: dict[str, str], kind: type[T]) -> T | None:
        try:
            answer = self.session.get(
                f"{self.url}/{path}", params=parameters, headers={"Accept": "application/json"}, timeout=_TIMEOUT
            )
        except requests.ConnectionError as error:
            raise PlumblineError(
                f"no exporter answers at {self.url}: name another by --url, or read its folder with --data"
            ) from error
        except requests.RequestException as error:
            raise PlumblineError(f"{self.url}: {error}") from error
        try:
            if answer.status_code == 200:
                return msgspec.json.decode(answer.content, type=kind)
            # An exporter without these pages answers 404 as well, with another error.
            if answer.status_code == 404 and msgspec.json.decode(answer.content, type=_Error).error == "not_found":
                return None
        except msgspec.MsgspecError as error:
            raise PlumblineError(
                f"{self.url}/{path} did not answer as a Plumbline exporter of this version does"
            ) from error
        raise PlumblineError(f"{self.url}/{path} answered {answer.status_code}: {answer.text[:200]}")


class _Error(msgspec.Struct):
    error: str
