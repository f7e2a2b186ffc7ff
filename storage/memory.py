"""A root in this process's memory, for tests of stages: `memory://name`."""

import threading
from pathlib import Path

_roots: dict[str, dict[str, bytes]] = {}
_lock = threading.Lock()


class Memory:
    """A `storage.store.Backend` over a dictionary. Two stores of the same name share their files."""

    failures: tuple[type[Exception], ...] = ()

    def __init__(self, name: str) -> None:
        self._files = _roots.setdefault(name, {})

    def create(self, path: str, data: bytes) -> bool:
        with _lock:
            return self._files.setdefault(path, data) is data

    def create_from_file(self, path: str, source: Path) -> None:
        self.create(path, source.read_bytes())

    def replace(self, path: str, data: bytes) -> None:
        self._files[path] = data

    def remove(self, path: str) -> None:
        self._files.pop(path, None)

    def read(self, path: str, start: int = 0, stop: int | None = None) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path][start:stop]

    def size(self, path: str) -> int:
        return len(self.read(path))

    def names(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return list({path[len(prefix) :].split("/", 1)[0] for path in list(self._files) if path.startswith(prefix)})

    def listing(self, folder: str) -> dict[str, int]:
        prefix = f"{folder}/" if folder else ""
        return {path: len(data) for path, data in list(self._files.items()) if path.startswith(prefix)}

    def check_reachable(self) -> None:
        """Do nothing: memory needs no connection."""

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        return []

    def abort_upload(self, path: str, upload_id: str) -> None:
        """Do nothing: nothing is uploaded."""

    def explain(self, error: Exception) -> str:
        return str(error)
