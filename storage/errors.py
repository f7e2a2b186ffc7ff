"""Every error that this project raises on purpose.

    SerlError
    ├── ConfigError            a setting is unknown, out of bounds, or contradicts another
    ├── InputError             a seed file, model folder or benchmark of the user cannot be used
    ├── IncompatibleCode       the run was made by a version of this software that understood a stage differently
    ├── StageFailed            a stage ran and could not produce its output
    │   └── TrainerError       the trainer process failed or died
    └── StorageError
        ├── MissingArtifact    a manifest, part or file that should exist does not
        │   └── Pruned         an output was removed to save space, as the run's settings say
        ├── CorruptArtifact    bytes differ from their digest, or a manifest cannot be read
        ├── UnknownFormat      a file was written by a later version of this software
        ├── SchemaMismatch     a table does not have the columns that its stage declares
        ├── NotWritable        the root refuses writes (permission, disk full), or cannot write create-only
        └── RunBusy            another process works on the run

A message is one line: what was found, what was expected and what to do. The command line prints the message and exits
with code 2. Any other exception that reaches the user with a traceback is a defect of this project.
"""


def first_line(error: BaseException) -> str:
    """Return the first line of an error message, or the error's name if the message is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)


class SerlError(Exception):
    """Base class of the errors that a user can act on."""


class ConfigError(SerlError):
    """A setting is unknown, out of bounds, or contradicts another."""


class InputError(SerlError):
    """A seed file, model folder, benchmark or other input of the user cannot be used."""


class IncompatibleCode(SerlError):
    """The run was made by a version of this software that understood a stage differently."""


class StageFailed(SerlError):
    """A stage ran and could not produce its output."""


class TrainerError(StageFailed):
    """The trainer process failed or died."""


class StorageError(SerlError):
    """A read or write of the store failed."""


class MissingArtifact(StorageError):
    """A manifest, part or file that should exist does not."""


class Pruned(MissingArtifact):
    """An output was removed to save space, as the run's settings (`keep`) say."""


class CorruptArtifact(StorageError):
    """Bytes differ from their recorded digest, or a manifest cannot be read."""


class UnknownFormat(StorageError):
    """A file was written by a later version of this software."""


class SchemaMismatch(StorageError):
    """A table does not have the columns that its stage declares."""


class NotWritable(StorageError):
    """The root refuses writes (permission, disk full), or cannot write create-only."""


class RunBusy(StorageError):
    """Another process works on the run."""
