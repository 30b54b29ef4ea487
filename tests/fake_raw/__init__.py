"""Fake raw files: synthetic clips in the original file format of each data set.

For tests, benchmarks and fuzzing. Names and format are those of the data set, the
content is synthetic and deterministic. One module per data set, each with
``write(folder, clips=..., seed=0) -> list[Path]``.
"""
