"""Makes the fake engine take its time: SERL_TEST_RESPONSE_SECONDS for each response. For processes that others start.

Python imports a module of this name by itself when it starts with this folder on PYTHONPATH.
"""

import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

SECONDS = float(os.environ.get("SERL_TEST_RESPONSE_SECONDS", "0"))
SLOWED = "stages.engines.fake"


class SlowedLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        respond = module.FakeEngine._respond

        def slowly(*arguments, **options):  # type: ignore[no-untyped-def]
            time.sleep(SECONDS)
            return respond(*arguments, **options)

        module.FakeEngine._respond = slowly


class Slowing(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
        if fullname != SLOWED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = SlowedLoader(spec.loader)
        return spec


if SECONDS:
    sys.meta_path.insert(0, Slowing())
