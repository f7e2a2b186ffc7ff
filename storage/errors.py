"""Every error this project raises on purpose.

    SerlError
    ├── ConfigError            a setting is unknown, out of bounds, or contradicts another
    ├── InputError             something handed in (seed file, model folder, benchmark) cannot be used
    ├── IncompatibleCode              the run was made by a version of this software that understood a stage differently
    ├── StageFailed            a stage ran and could not produce its output
    │   └── TrainerError       the trainer process failed or died
    └── StorageError
        ├── MissingArtifact    a manifest, part or file that should be there is not
        │   └── Pruned         it was there, and the run's settings let it go
        ├── CorruptArtifact    bytes differ from their digest, or a manifest cannot be read
        ├── UnknownFormat      written by a later version of this software
        ├── SchemaMismatch     a table does not have the columns its stage declares
        ├── NotWritable        the root refuses writes (permission, disk full)
        └── RunBusy            another process works on the run

A message says what was found, what was expected and what to do, on one line: the command line prints it as it is
and exits with code 2. Anything else that reaches the user with a traceback is a defect of this project.
"""


class SerlError(Exception):
    """Root of the errors a user can act on."""


class ConfigError(SerlError):
    """A setting is unknown, out of bounds, or contradicts another."""


class InputError(SerlError):
    """Something handed in from outside cannot be used."""


class IncompatibleCode(SerlError):
    """The run was made by a version of this software that understood a stage differently."""


class StageFailed(SerlError):
    """A stage ran and could not produce its output."""


class TrainerError(StageFailed):
    """The trainer process failed or died."""


class StorageError(SerlError):
    """The store could not do what was asked."""


class MissingArtifact(StorageError):
    """A manifest, part or file that should be there is not."""


class Pruned(MissingArtifact):
    """An output that the run's settings let go, to save space."""


class CorruptArtifact(StorageError):
    """Bytes differ from their recorded digest, or a manifest cannot be read."""


class UnknownFormat(StorageError):
    """Written by a later version of this software."""


class SchemaMismatch(StorageError):
    """A table does not have the columns that its stage declares."""


class NotWritable(StorageError):
    """The root refuses writes."""


class RunBusy(StorageError):
    """Another process works on the run."""
