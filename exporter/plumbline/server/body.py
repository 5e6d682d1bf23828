"""A request's body: read in pieces, bounded before and after decompression.

Reads a starlette request, writes bytes or a ``Refusal`` that says what to do instead.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

from starlette.requests import Request

from plumbline.files import GZIP
from plumbline.server.timeouts import Timeouts

BODY_BYTES = 16 * 1024 * 1024
IN_FLIGHT_BODIES = 8
_UNPACK_BYTES = 8192


class Refusal(Exception):
    """A whole request that is refused.

    Attributes:
        status: HTTP status.
        reason: one of ``names.REFUSE_REASONS``.
        remedy: what is wrong and what to do.
        retry_after: seconds, where trying again can help.
    """

    def __init__(self, status: int, reason: str, remedy: str, retry_after: int | None = None) -> None:
        super().__init__(remedy)
        self.status = status
        self.reason = reason
        self.remedy = remedy
        self.retry_after = retry_after


class Held:
    """The memory of one request's body, given back when the request is answered."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._bytes = 0

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.in_flight -= self._bytes

    def take(self, size: int) -> None:
        """Hold more.

        Raises:
            Refusal: 429, all requests together hold too much.
        """
        if self._reader.in_flight + size > IN_FLIGHT_BODIES * self._reader.limit:
            raise Refusal(429, "overloaded", "too many large requests at once; send this again later", 1)
        self._reader.in_flight += size
        self._bytes += size


class BodyReader:
    """Reads bodies of at most ``limit`` bytes; all that are read or wait hold at most eight times that.

    The queue is bounded by events, and a few events may be large: this bounds the bytes. Runs in the
    event loop's thread only, but for ``unpack``.
    """

    def __init__(self, limit: int = BODY_BYTES, timeouts: Timeouts | None = None) -> None:
        self.limit = limit
        self._timeouts = timeouts or Timeouts()
        self.in_flight = 0

    async def read(
        self, request: Request, held: Held, media_types: Sequence[str], what: str = "newline-delimited JSON"
    ) -> tuple[bytes, bool]:
        """Return the body as sent, and whether it is gzip: by its first bytes, whatever the header says.

        Args:
            request: to read.
            held: where its memory is accounted.
            media_types: that are taken.
            what: they are, for who sent another.

        Raises:
            Refusal: 415 wrong type or encoding, 413 too large, 429 too much at once, 408 too slow.
        """
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in media_types:
            raise Refusal(
                415,
                "wrong_type",
                f"send {what} with the header Content-Type: {' or '.join(media_types)} "
                f"(this request has {media or 'none'!r})",
            )
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip"):
            raise Refusal(415, "wrong_type", f"Content-Encoding {encoding!r} is not known: send gzip or none")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > 4 * self.limit:
            raise self.too_large()  # not worth reading to the end for the sake of a readable answer
        try:
            chunks = await self._chunks(request, held)
        except TimeoutError as error:
            raise Refusal(408, "too_slow", "the body came too slowly: send smaller ones") from error
        body = b"".join(chunks)
        packed = body.startswith(GZIP)
        if encoding != "identity" and body and not packed and body.lstrip()[:1] not in (b"{", b"["):
            raise Refusal(400, "bad_encoding", "the body is not the gzip that its header says: leave the header out")
        return body, packed

    async def _chunks(self, request: Request, held: Held) -> list[bytes]:
        start = asyncio.get_running_loop().time()
        total = 0
        chunks: list[bytes] = []
        async with asyncio.timeout_at(start + self._timeouts.body_due(0)) as due:
            async for chunk in request.stream():
                total += len(chunk)
                due.reschedule(start + self._timeouts.body_due(total))
                if total > self.limit:
                    chunks.clear()
                    if total > 4 * self.limit:
                        break
                    # Reading on, keeping nothing: who is still sending would not see the answer.
                    continue
                held.take(len(chunk))
                chunks.append(chunk)
        if total > self.limit:
            raise self.too_large()
        return chunks

    def too_large(self) -> Refusal:
        """Return the refusal of a body beyond the limit."""
        return Refusal(
            413, "too_large", f"a request holds at most {self.limit} bytes, unpacked too: send fewer lines per request"
        )

    def unpack(self, body: bytes) -> bytes:
        """Return the content of a gzip body, of one member or many.

        Raises:
            Refusal: 413 if it unpacks beyond the limit, 400 if it is damaged or cut off.
        """
        parts: list[bytes] = []
        left = self.limit
        unpacker = zlib.decompressobj(31)
        # In pieces: zlib copies what follows a member, and a body of empty members would copy it all
        # for each of them.
        pieces = (body[at : at + _UNPACK_BYTES] for at in range(0, len(body), _UNPACK_BYTES))
        try:
            for piece in pieces:
                while piece:
                    if unpacker.eof:
                        unpacker = zlib.decompressobj(31)
                    part = unpacker.decompress(piece, left + 1)
                    left -= len(part)
                    if left < 0:
                        raise self.too_large()
                    parts.append(part)
                    piece = unpacker.unused_data
            if body and not unpacker.eof:
                raise Refusal(400, "bad_encoding", "the gzip body is cut off: send it again whole")
        except zlib.error as error:
            raise Refusal(400, "bad_encoding", f"the gzip body is damaged: {error}: send it again") from error
        return b"".join(parts)
