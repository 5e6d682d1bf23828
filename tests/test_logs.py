"""The exporter's log never raises and never blocks, whatever becomes of the stream behind it."""

from __future__ import annotations

import io
import os
import threading
import time

from plumbline.logs import BackgroundStream


class Full(io.StringIO):
    """A stream on a disk that may be full."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_are_written_in_order() -> None:
    target = io.StringIO()
    stream = BackgroundStream(target)
    for number in range(100):
        stream.write(f"{number}\n")
    stream.close()
    assert target.getvalue().split() == [str(number) for number in range(100)]
    assert stream.dropped == 0


def test_a_full_disk_costs_its_lines_and_nothing_else() -> None:
    target = Full()
    stream = BackgroundStream(target)
    stream.write("lost\n")
    deadline = time.monotonic() + 60
    while not stream.dropped and time.monotonic() < deadline:
        time.sleep(0.01)
    target.full = False
    stream.write("kept\n")
    stream.close()
    assert target.getvalue() == "\nkept\n"  # half of the lost one may stand there
    assert stream.dropped == 1


def test_a_pipe_that_nobody_reads_blocks_no_writer() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as target:
        stream = BackgroundStream(target, lines=10)
        done = threading.Event()

        def fill() -> None:
            for _ in range(500):  # a pipe holds 64 KiB
                stream.write("x" * 999 + "\n")
            done.set()

        threading.Thread(target=fill, daemon=True).start()
        assert done.wait(60)
        assert stream.dropped > 0
        os.read(read, 1 << 20)  # lets the thread end
        stream.close()
    os.close(read)
