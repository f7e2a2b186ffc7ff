"""Functions that identify data by content (canonical JSON, digests of bytes, files and folders), and derived seeds."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHORT_DIGITS = 12
"""Number of hex digits of a key or digest in a path. The manifest holds all 64, so a collision is noticed."""
LARGE_BYTES = 64 * 2**20
"""Size from which the links of a file are known as one file."""
_MOST_DIGESTS = 4_096
_digests: dict[tuple[Path | tuple[int, int], int, int], str] = {}
"""Digests of files by path, or by device and number of the file, then by size and time of modification."""


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys, no white space, in UTF-8: equal values give equal bytes.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(value: Any) -> str:
    """Return the sha256 (64 hex digits) of the canonical JSON of `value`."""
    return digest(canonical_json(value))


def digest(data: bytes) -> str:
    """Return the sha256 (64 hex digits) of `data`."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 of a file.

    Reading weights takes long, so each process keeps the result. A file that has not changed since (by size and time of
    modification) is not read again, and no hard link to it if it is large: stored weights are links to those that the
    trainer wrote.
    """
    stat = path.stat()
    # The system gives the number of a deleted file to a new one, but not while a large file is being digested.
    name = (stat.st_dev, stat.st_ino) if stat.st_size >= LARGE_BYTES else path
    key = name, stat.st_size, stat.st_mtime_ns
    if key not in _digests:
        with path.open("rb") as file:
            result = hashlib.file_digest(file, "sha256").hexdigest()
        if len(_digests) >= _MOST_DIGESTS:
            _digests.clear()
        _digests[key] = result
    return _digests[key]


def digest_files(digests: Sequence[tuple[str, str]]) -> str:
    """Return the identity of a folder, from the (file name, sha256) pairs of its files.

    The identity does not depend on the folder's path.
    """
    return fingerprint(sorted(digests))


def derive_seed(*names: str | int) -> int:
    """Return a 63-bit seed that depends on `names` alone, such as (run seed, branch, iteration, stage, row).

    Stages take their seeds from here, so a restart needs no saved state of a random generator.
    """
    return int.from_bytes(hashlib.sha256(canonical_json(names)).digest()[:8], "big") >> 1


def short(key: str) -> str:
    """Return the form of a key in paths, such as k0123456789ab.

    The form starts with a `k`, so that tools that read `key=VALUE` folders never take a key of digits for a number.
    """
    return f"k{key[:SHORT_DIGITS]}"
