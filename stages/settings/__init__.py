"""The settings of every stage and of the machines that run them, as plain data: no I/O and no heavy import.

Importing these modules loads pydantic and nothing that reads, writes or computes. The functions that act on settings
(hash a file, import a kind of answers, read DeepSpeed's file) are in the package of the stage that needs them.
"""

from stages.settings.base import Settings, StopStrings, is_left_out_by_default, left_out, old_names, with_new_names

__all__ = ["Settings", "StopStrings", "is_left_out_by_default", "left_out", "old_names", "with_new_names"]
