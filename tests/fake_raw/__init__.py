"""Synthetic clips written in each release's own file format.

For tests, benchmarks, fuzzing and the book: the content is ours and deterministic, the
names and the format are those of the release. One module a format, each with
``write(folder, clips=..., seed=0) -> list[Path]``.
"""
