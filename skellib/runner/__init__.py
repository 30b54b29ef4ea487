"""Carry out many runs, each of them once: which, in what order, and for how long."""

from skellib.runner.claims import claim
from skellib.runner.estimates import Estimates, estimate, estimates_for_gpu, fitting
from skellib.runner.execution import RunError, ensure, spend
from skellib.runner.plan import (
    HEADLINE,
    SEEDS,
    Run,
    missing,
    outcomes,
    recorded,
    runs,
    store_for,
)

__all__ = [
    "HEADLINE",
    "SEEDS",
    "Estimates",
    "Run",
    "RunError",
    "claim",
    "ensure",
    "estimate",
    "estimates_for_gpu",
    "fitting",
    "missing",
    "outcomes",
    "recorded",
    "runs",
    "spend",
    "store_for",
]
