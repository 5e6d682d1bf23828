"""Recording rules, alerts, Alertmanager and Prometheus configuration, generated from the catalogue."""
