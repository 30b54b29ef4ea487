"""Tests of this wing."""

import sys
from pathlib import Path

# The book's Sphinx extensions are no package: the tests import them by their name.
sys.path.append(str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
