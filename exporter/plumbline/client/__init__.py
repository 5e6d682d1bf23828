"""``plumbline.Client``: events from a service to the exporter, never in the way of a prediction.

An event's way: ``encode`` makes its line and checks it by the exporter's own rules; ``client`` puts it
into a bounded queue and returns; ``worker`` takes batches from the queue and decides where they go;
``post`` sends one and says what came of it, to commands too; ``spool`` keeps on disk, in a locked ``folder``, what
the exporter cannot take now, and ``disk`` tries again when it fails. Of a durable client every event goes to the
spool first.
``account`` counts every step, so that created = sent + queued + spooled + dropped at any moment;
``metrics`` exposes the account. What is lost when: ``docs/client.md``.
"""

from plumbline.client.account import Stats
from plumbline.client.client import Client

__all__ = ["Client", "Stats"]
