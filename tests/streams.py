"""A stream of clips as a packed set in memory, to compare with what was written."""

from __future__ import annotations

import numpy as np

from skellib.data import PackedDataset
from skellib.data.writing import ClipStream


def in_memory(stream: ClipStream, dtype=np.float32) -> PackedDataset:
    return PackedDataset.from_clips(
        list(stream.clips()),
        label=stream.label,
        subject=stream.subject,
        name=stream.name,
        view=stream.view,
        extras=stream.extras,
        layout=stream.layout,
        classes=stream.classes,
        key=stream.key,
        source=stream.source,
        dtype=dtype,
    )
