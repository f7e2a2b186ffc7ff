"""Every function that takes another path on a GPU stands in the table of docs/explanation/gpus.md, and only those."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/gpus.md"
HELPERS = {"has_gpu", "has_kernel", "vllm_needs_gpu"}
"""Functions that say what there is: a function that calls one decides by it."""


def asks(node: ast.AST) -> bool:
    """Return whether an expression depends on there being a GPU."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in HELPERS or name in ("is_available", "get_device_capability")
        case ast.Compare(left=left, comparators=[ast.Constant(value="cuda" | "cpu")]):
            return isinstance(left, (ast.Name, ast.Attribute))
        case _:
            return False


def functions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield each function of a module with its dotted name; a method has its class in front."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield from inside(child, f"{prefix}.{child.name}")
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{prefix}.{child.name}", child

    module = path.relative_to(ROOT).as_posix().removesuffix(".py").replace("/", ".")
    return inside(ast.parse(path.read_text()), module)


def deciding() -> set[str]:
    files = [path for layer in ("flows", "stages", "storage") for path in (ROOT / layer).rglob("*.py")]
    return {name for path in files for name, body in functions(path) if any(asks(node) for node in ast.walk(body))}


def test_the_table_of_places_that_take_another_path_on_a_gpu_is_complete() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    listed = {name for row in rows for name in re.findall(r"`((?:flows|stages|storage)\.[\w.]+)`", row)}
    found = deciding()
    assert sorted(found - listed) == [], f"add a row for each to {PAGE.name}, and test both answers"
    assert sorted(listed - found) == [], f"these decide nothing any more: take them out of {PAGE.name}"
