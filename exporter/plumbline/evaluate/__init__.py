"""Alerts over a history with known incidents: what they would have caught, when, and how often in vain.

1. ``incidents`` reads what really happened (CSV).
2. ``alerts`` reads the alerting rules (YAML) and says which of them a history can answer.
3. ``ask`` sends each expression to a Prometheus, as range queries over the whole history.
4. ``states`` applies ``for`` and ``keep_firing_for`` exactly as Prometheus's rule manager does.
5. ``judge`` compares the firing times with the incidents; ``chance`` does so for the same alarms at
   random times, and ``budget`` against what people can bear.
6. ``report`` and ``picture`` show it.

``run`` is the whole way.
"""
