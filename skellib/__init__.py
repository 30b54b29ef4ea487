"""Skeleton action recognition in the spatio-temporal and frequency domains."""

__version__ = "0.1.0"
