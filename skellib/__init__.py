"""Skeleton action recognition in the spatio-temporal and frequency domains.

``import skellib as sk`` offers the names below; each is imported when it is first used,
so that the import itself costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_HOME = {
    "skellib.data": ("PackedDataset", "load"),
    "skellib.batches": ("DeviceClips",),
    "skellib.layouts": ("LAYOUTS", "Layout"),
    "skellib.preprocessing": ("align", "center", "crop_resize", "rotate", "velocity"),
    "skellib.models": (
        "FrequencyAttention",
        "LocalBlock",
        "NonLocal",
        "SLnLBlock",
        "SLnLRFA",
        "TransformNetwork",
    ),
    "skellib.losses": ("mimicry", "objective", "soft_margin_focal"),
    "skellib.complexity": ("count",),
    "skellib.experiment": ("Experiment", "final_model"),
    "skellib.training": ("Execution", "fit", "train"),
    "skellib.inference": ("Predictor",),
    "skellib.records": ("RecordStore", "RunRecord"),
    "skellib.errors": ("InputError",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULE:
        raise AttributeError(f"module 'skellib' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE[name]), name)
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
