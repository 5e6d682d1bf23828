"""From a request back to its training data, and from a data batch to the predictions made with it.

``lookup`` asks the store and returns the records of ``model``; ``lineage`` follows pipeline runs from batch
to batch. ``text`` shows records on a terminal, ``page`` as HTML; ``http`` serves them and ``client`` reads
them from a running exporter. ``docs/trace.md`` describes the JSON.
"""
