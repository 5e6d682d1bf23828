"""Exposition: blocks of series rendered as Prometheus text or OpenMetrics."""
