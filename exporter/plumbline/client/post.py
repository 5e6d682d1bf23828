"""One batch to the exporter, and what came of it.

Reads lines, writes an ``Answer``. Runs in a thread of its own, so that a hanging exporter holds up
neither the caller nor the spooling.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import requests

from plumbline.names import CONTENT_TYPE_NDJSON

RETRY_AFTER_CAP = 300.0  # seconds; an exporter that asks for more is asked again all the same


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST.

    Attributes:
        result: ``stored`` (every line is stored or rejected), ``split`` (too large: send fewer lines),
            ``later`` (nothing is known to be stored: send the same again).
        rejected: lines the exporter rejected.
        detail: the first rejection, or what went wrong.
        retry_after: seconds the exporter asked to wait.
    """

    result: Literal["stored", "split", "later"]
    rejected: int = 0
    detail: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the exporter; passed to requests as it is.

    Attributes:
        url: the exporter's address without path, ``http://host:9877``.
        timeout: seconds to connect, and between two bytes of an answer.
        auth: user and password for basic authentication.
        verify: whether to check the server's certificate, or the file of the authorities to trust.
        cert: file of the client's certificate, or certificate and key.
        headers: sent with every request.
    """

    url: str
    timeout: tuple[float, float] = (3.05, 10.0)
    auth: tuple[str, str] | None = None
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    headers: Mapping[str, str] | None = None

    def open(self) -> requests.Session:
        """Return a session that keeps its connection alive."""
        session = requests.Session()
        session.auth = self.auth
        session.verify = self.verify
        session.cert = self.cert
        session.headers["User-Agent"] = "plumbline-client"
        session.headers.update(self.headers or {})
        session.headers["Content-Type"] = CONTENT_TYPE_NDJSON
        return session


def post(session: requests.Session, connection: Connection, lines: Sequence[bytes]) -> Answer:
    """Send one batch. Nothing raises but a programming error."""
    try:
        # A redirect would turn the POST into a GET; it counts as a failure and is told.
        response = session.post(
            f"{connection.url}/v1/events", data=b"\n".join(lines), timeout=connection.timeout, allow_redirects=False
        )
    # OSError: a certificate file that is gone, no file handles left. ValueError: urllib3 lets a few
    # damaged answers through as such.
    except (requests.RequestException, OSError, ValueError) as error:
        return Answer("later", detail=f"{type(error).__name__}: {error}")
    if response.status_code == 413:
        return Answer("split", detail=response.text[:300])
    if response.status_code != 200:
        wait = parse_retry_after(response.headers.get("Retry-After"), time.time())
        return Answer("later", detail=f"HTTP {response.status_code}: {response.text[:300]}", retry_after=wait)
    return _read(response.content, len(lines))


def _read(body: bytes, lines: int) -> Answer:
    """Read the answer to ``lines`` lines; one that does not account for each of them is not believed."""
    try:
        answer = json.loads(body)
        accepted, rejected = answer["accepted"], answer["rejected"]
        if accepted + len(rejected) != lines:
            return Answer("later", detail=f"the answer accounts for {accepted} + {len(rejected)} of {lines} lines")
        detail = "" if not rejected else f"{rejected[0]['reason']}: {rejected[0]['detail']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Answer("later", detail=f"HTTP 200, but no answer of an exporter ({error!r}): {body[:100]!r}")
    return Answer("stored", len(rejected), detail)


def parse_retry_after(value: str | None, now: float) -> float:
    """Return the seconds of a ``Retry-After`` (a number or a date), at most ``RETRY_AFTER_CAP``."""
    if value is None:
        return 0.0
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(min(int(value[:9]), RETRY_AFTER_CAP))
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return min(max(when.timestamp() - now, 0.0), RETRY_AFTER_CAP)
