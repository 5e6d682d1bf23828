"""History into a TSDB: events of the past through the same engine, at event time.

1. ``history`` takes the events in time order (``plumbline.history`` sees to that) and feeds the engine step
   by step, as if it were then; ``journal`` notes each step, so that a run that was cut off goes on.
2. ``openmetrics`` writes the engine's series after each step, with that step's time.
3. ``tsdb`` has promtool make blocks of them, in pieces of days.
4. ``rules`` evaluates the recording rules over those blocks, level by level, and writes blocks again.

``run`` is the whole way. The events also land in the engine's store, so an exporter started on the same
data folder continues from these counters.
"""
