"""Layouts: which counter of a model version lives where in one float64 array.

A layout is made once from the catalogue and the version's baseline and never changes; counting adds to
slices of the array, the store keeps the array as one value, and the scrape shows slices of it. float64
holds counts exactly up to 2^53.

``build`` makes the layout of a version, ``version`` is what it makes; ``features``, ``quality``, ``early``
and ``trials`` place one kind of counters each, in ``section``s: consecutive cells of one metric.
"""
