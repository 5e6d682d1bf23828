"""Baselines: the frozen reference of a model version, and how it is built."""
