"""One call of one hook: POST, and what surely, possibly or surely not happened on the other side."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter

from plumbline import __version__
from plumbline.events.kinds import Action
from plumbline.events.parsed import clip

ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 1.0
_ANSWER_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended: one of ``names.HOOK_RESULTS``, and a detail for a person."""

    result: str
    detail: str


def call(
    action: Action,
    url: str,
    timeout: float,
    authorization_file: str | None,
    stopping: threading.Event,
    pause: float = _FIRST_PAUSE_SECONDS,
) -> Ended:
    """POST the action's payload once.

    Tried again, twice, only where no connection came about: then nothing can have reached the other side.
    An answer, whatever it says, a time-out after the connection or a broken one is the end.

    Args:
        action: as decided.
        url: from the catalogue; redirects are not followed, proxies of the environment not used.
        timeout: seconds for the connection, and for each wait for the answer.
        authorization_file: holds the Authorization header; read anew each time, so it may be rotated.
        stopping: ends the pauses between attempts.
        pause: seconds before the second attempt; doubled after it.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"plumbline/{__version__}",
        # The same for every attempt at one action: who receives it can refuse a second one, too.
        "Idempotency-Key": action.action_id,
    }
    if authorization_file is not None:
        try:
            headers["Authorization"] = Path(authorization_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            return Ended("unreachable", f"not called: {authorization_file} cannot be read: {error}")
    body = msgspec.json.encode(action.payload)
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt and stopping.wait(pause * 2 ** (attempt - 1)):
            return Ended("unreachable", f"{problem}; not tried again, the exporter is shutting down")
        try:
            return _post(url, body, headers, timeout)
        except requests.exceptions.InvalidHeader as error:
            return Ended("unreachable", f"not called: {authorization_file} holds no header value: {error}")
        except requests.RequestException as error:
            problem = clip(f"{type(error).__name__}: {error}")
            if isinstance(error, requests.exceptions.SSLError):
                return Ended("unreachable", problem)  # no request leaves before the handshake is done
            if not _never_connected(error):
                return Ended("unknown", f"it may have arrived: {problem}")
    return Ended("unreachable", f"{problem}; tried {ATTEMPTS} times")


def _post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> Ended:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.mount("https://", HTTPAdapter(max_retries=0))
        with session.post(
            url, data=body, headers=headers, timeout=timeout, allow_redirects=False, stream=True
        ) as answer:
            status = f"{answer.status_code} {answer.reason or ''}".strip()
            if 200 <= answer.status_code < 300:
                return Ended("succeeded", clip(f"answered {status}"))
            text = answer.raw.read(_ANSWER_BYTES, decode_content=True).decode(errors="replace").strip()
            return Ended("refused", clip(f"answered {status}: {text}" if text else f"answered {status}"))


def _never_connected(error: requests.RequestException) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
