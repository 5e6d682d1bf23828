"""Grafana dashboards as code: reads the catalogue, writes classic dashboard JSON and provisioning."""
