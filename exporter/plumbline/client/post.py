"""Batches of events to an exporter, and what came of each: the one sender of everything that sends events.

Reads lines, writes an ``Answer``. ``post`` sends once and raises nothing: ``plumbline.Client`` keeps what is not
stored and has times of its own. ``Sender`` is for commands: it insists for a while, then raises.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from plumbline.errors import PlumblineError
from plumbline.names import CONTENT_TYPE_NDJSON

RETRY_AFTER_CAP = 300.0  # seconds; an exporter that asks for more is asked again all the same
_PAUSES = (0.1, 2.0)  # seconds between two tries of a Sender: the first, and the longest
_BUSY = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST.

    Attributes:
        result: ``stored`` (every line is stored or rejected), ``split`` (too large: send fewer lines),
            ``later`` (nothing is known to be stored: send the same again).
        status: the HTTP status; 0 if no answer came.
        accepted: lines that the exporter holds.
        duplicates: lines of these that it held before.
        rejections: line number in the batch from 1, reason and detail of each rejected line.
        detail: the first rejection, or what went wrong.
        retry_after: seconds the exporter asked to wait.
    """

    result: Literal["stored", "split", "later"]
    status: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejections: Sequence[tuple[int, str, str]] = ()
    detail: str = ""
    retry_after: float = 0.0

    @property
    def rejected(self) -> int:
        """Lines that the exporter rejected."""
        return len(self.rejections)


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


def post(session: requests.Session, connection: Connection, lines: Sequence[bytes], compress: bool = False) -> Answer:
    """Send one batch of lines without line feeds. Nothing raises but a programming error."""
    body = b"\n".join(lines)
    headers = {"Content-Encoding": "gzip"} if compress else None
    try:
        # A redirect would turn the POST into a GET; it counts as a failure and is told.
        response = session.post(
            f"{connection.url}/v1/events",
            data=gzip.compress(body, 1) if compress else body,
            headers=headers,
            timeout=connection.timeout,
            allow_redirects=False,
        )
    # OSError: a certificate file that is gone, no file handles left. ValueError: urllib3 lets a few
    # damaged answers through as such.
    except (requests.RequestException, OSError, ValueError) as error:
        return Answer("later", detail=f"{type(error).__name__}: {error}")
    if response.status_code == 200:
        return _read(response.content, sum(not line.isspace() for line in lines if line))
    return Answer(
        "split" if response.status_code == 413 else "later",
        response.status_code,
        detail=f"HTTP {response.status_code}: {_detail(response)}",
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


def _read(body: bytes, lines: int) -> Answer:
    """Read the answer to ``lines`` lines; one that does not account for each of them is not believed."""
    try:
        answer = json.loads(body)
        accepted, duplicates = int(answer["accepted"]), int(answer.get("duplicates", 0))
        rejections = [(int(r["line"]), str(r["reason"]), str(r["detail"])) for r in answer["rejected"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Answer("later", 200, detail=f"HTTP 200, but no answer of an exporter ({error!r}): {body[:100]!r}")
    if accepted + len(rejections) != lines:
        told = f"the answer accounts for {accepted} + {len(rejections)} of {lines} lines"
        return Answer("later", 200, detail=told)
    detail = f"{rejections[0][1]}: {rejections[0][2]}" if rejections else ""
    return Answer("stored", 200, accepted, duplicates, rejections, detail)


def _detail(response: requests.Response) -> str:
    try:
        return str(response.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError, RecursionError):
        return response.text[:300]


def _retry_after(value: str | None) -> float:
    """Return the seconds of a ``Retry-After`` (a number or a date), at most ``RETRY_AFTER_CAP``."""
    try:
        return 0.0 if value is None else min(float(Retry().parse_retry_after(value)), RETRY_AFTER_CAP)
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0


class Sender:
    """Sends batches, compressed, and insists on each for a while.

    Args:
        url: the exporter's address, without path.
        retry_seconds: how long one batch may wait for an exporter that is busy.
        await_exporter: whether an exporter that does not answer at all is waited for as long, too. One that
            has answered before is: it may be restarting.

    Attributes:
        retries: batches sent again.
    """

    def __init__(self, url: str, retry_seconds: float = 60.0, await_exporter: bool = False) -> None:
        self._connection = Connection(url.rstrip("/"), timeout=(5.0, 120.0))
        self._session = self._connection.open()
        self._retry_seconds = retry_seconds
        self._await_exporter = await_exporter
        self.retries = 0

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def send(self, lines: Sequence[bytes]) -> Answer:
        """Send lines without line feeds until they are stored or rejected.

        Raises:
            PlumblineError: the exporter is not there, refuses the request, or stays busy.
        """
        url = self._connection.url
        give_up = time.monotonic() + self._retry_seconds
        pause, longest = _PAUSES
        while True:
            answer = post(self._session, self._connection, lines, compress=True)
            self._await_exporter = self._await_exporter or answer.status != 0
            if answer.result == "stored":
                return answer
            if answer.status == 200:
                raise PlumblineError(f"{url} is not a Plumbline exporter: {answer.detail}")
            if answer.status == 0 and not self._await_exporter:
                raise PlumblineError(
                    f"no exporter answers at {url} ({answer.detail}): start one with 'plumbline serve', or name "
                    "another by --url; what was sent before is stored, and sending everything again is safe"
                )
            if answer.status not in (0, *_BUSY):
                raise PlumblineError(f"{url} refuses the events: {answer.detail}")
            wait = answer.retry_after or pause
            if time.monotonic() + wait > give_up:
                raise PlumblineError(
                    f"{url} did not take the events within {self._retry_seconds:g} s: {answer.detail}; "
                    "sending everything again is safe"
                )
            self.retries += 1
            time.sleep(wait)
            pause = min(pause * 2, longest)
