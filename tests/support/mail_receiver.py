"""A mail server on loopback that keeps what it gets: just enough SMTP for Alertmanager."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Self


@dataclass
class MailReceiver:
    """Use as a context manager; ``mails`` grows as they arrive."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    _server: socketserver.ThreadingTCPServer | None = None

    def __enter__(self) -> Self:
        mails = self.mails

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 loopback")
                while line := self.rfile.readline():
                    word = line[:4].upper().strip()
                    if word == b"QUIT":
                        self._say("221 bye")
                        return
                    if word == b"DATA":
                        self._say("354 go on")
                        mails.append(self._mail())
                    self._say("250 ok")

            def _mail(self) -> EmailMessage:
                body = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    body += line.removeprefix(b".") if line.startswith(b"..") else line
                message = email.message_from_bytes(body, policy=email.policy.default)
                assert isinstance(message, EmailMessage)
                return message

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Session)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
