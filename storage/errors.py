"""Every error this project raises on purpose.

    SerlError
    ├── ConfigError            a setting is unknown, out of bounds, or contradicts another
    ├── InputError             something handed in (seed file, model folder, benchmark) cannot be used
    ├── StageFailed            a stage ran and could not produce its output
    │   └── TrainerError       the trainer process failed or died
    └── StorageError
        ├── MissingArtifact    a manifest, part or file that should be there is not
        ├── CorruptArtifact    bytes differ from their digest, or a manifest cannot be read
        ├── SchemaMismatch     a table does not have the columns its stage declares
        └── NotWritable        the root refuses writes (permission, disk full)

A message says what was found, what was expected and what to do, on one line: the command line prints it as it is
and exits with code 2. Anything else that reaches the user with a traceback is a defect of this project.
"""


class SerlError(Exception):
    """Root of the errors a user can act on."""


class ConfigError(SerlError):
    """A setting is unknown, out of bounds, or contradicts another."""


class InputError(SerlError):
    """Something handed in from outside cannot be used."""


class StageFailed(SerlError):
    """A stage ran and could not produce its output."""


class TrainerError(StageFailed):
    """The trainer process failed or died."""


class StorageError(SerlError):
    """The store could not do what was asked."""


class MissingArtifact(StorageError):
    """A manifest, part or file that should be there is not."""


class CorruptArtifact(StorageError):
    """Bytes differ from their recorded digest, or a manifest cannot be read."""


class SchemaMismatch(StorageError):
    """A table does not have the columns that its stage declares."""


class NotWritable(StorageError):
    """The root refuses writes."""
