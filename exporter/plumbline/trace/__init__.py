"""From a request back to its training data, and from a data batch to the predictions made with it.

``lookup`` asks the store, part by part (``versions``, ``outcomes``, ``logs``, ``uses``, ``incidents``), and
returns the documents of ``model``, which are made of ``records``; ``lineage`` follows pipeline runs from
batch to batch. ``plumbline.terminal`` shows them; ``http`` serves them as JSON or as pages (``plumbline.pages``),
and ``client`` reads them from a running exporter. ``docs/trace.md`` describes the JSON.
"""
