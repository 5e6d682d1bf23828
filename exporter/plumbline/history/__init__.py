"""History files as the contract's events in time order, whatever they are and however large.

1. ``records`` reads NDJSON (plain or .gz): one event a line.
2. ``tables`` reads CSV and Parquet: one prediction a row, with its outcome if it is known, by a column
mapping. 3. ``order`` puts either into the order of time, on disk where it does not fit into memory.

``plumbline backfill`` and ``plumbline replay`` both read through ``arrange``.
"""
