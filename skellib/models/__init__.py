"""The network and its components, one module per section of the paper."""

from skellib.models.blocks import LocalBlock, SLnLBlock
from skellib.models.frequency import FrequencyAttention, MaskNetwork
from skellib.models.network import SLnLRFA, Stream
from skellib.models.nonlocal_ import NonLocal
from skellib.models.transform import TransformNetwork

__all__ = [
    "FrequencyAttention",
    "LocalBlock",
    "MaskNetwork",
    "NonLocal",
    "SLnLBlock",
    "SLnLRFA",
    "Stream",
    "TransformNetwork",
]
