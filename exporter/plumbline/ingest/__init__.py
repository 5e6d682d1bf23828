"""Events in, durable counters out: joins outcomes with predictions, counts, and commits counters with the events.

1. ``engine`` owns the store and the committed ``state``, which is data.
2. ``transaction`` makes a delta of a state and parsed batches, on a ``draft``: ``deployments``, ``outcomes`` (by
   ``join`` and ``outcome_resolution``), ``trials`` and ``alerts`` each take their part.
3. The store writes the delta; ``state.apply`` puts it in the place of what was there; ``restore`` reads it back.
4. ``exposition`` shows the state as blocks, ``intent`` what it is compared with, ``budget`` how many series that is.
"""
