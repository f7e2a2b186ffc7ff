"""Tests and benchmarks. A package, so that a package of this name elsewhere on the path does not hide it."""
