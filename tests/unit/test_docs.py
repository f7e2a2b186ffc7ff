"""The pages under docs/, README.md and CONTRIBUTING.md: generated ones follow the code, and what they name exists.

Checked are relative links and their anchors, `serl ...` commands, the commands that print measured figures, and that
errors, metrics and environment variables of the code stand in their reference pages.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from flows.config.load import load_config
from storage import errors
from tests.commands import REPOSITORY

FENCE = re.compile(r"^( *)(```+)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
MEASURED = re.compile(r"<!-- measured: (.+?) -->")
FIGURE = re.compile(r"\d [%s](?![\w-])|\d (?:times|GiB|MiB|min|tokens/s)\b")
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_-]*")


def pages() -> list[Path]:
    top = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
    return [path for path in top if path.is_file()] + sorted((REPOSITORY / "docs").rglob("*.md"))


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("docs_generate", REPOSITORY / "docs/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Generated pages


@pytest.mark.parametrize("name", ["cli.md", "config.md", "tables.md"])
def test_a_generated_page_follows_the_code(generate: ModuleType, name: str) -> None:
    committed = (REPOSITORY / "docs/reference" / name).read_text(encoding="utf-8")
    assert committed == generate.pages()[name], f"docs/reference/{name} differs from the code: python docs/generate.py"


def test_every_setting_of_the_committed_configs_is_in_the_reference(generate: ModuleType) -> None:
    text = generate.config_page()
    config = load_config(REPOSITORY / "configs/quickstart.yaml").model_dump(mode="json", by_alias=False)

    def names(values: object, prefix: str) -> Iterator[str]:
        if isinstance(values, dict):
            for name, value in values.items():
                yield from names(value, f"{prefix}.{name}".strip("."))
        elif isinstance(values, list) and values and isinstance(values[0], dict):
            yield from names(values[0], f"{prefix}[]")
        else:
            yield prefix

    missing = [name for name in names(config, "") if f"- `{name}`: " not in text]
    assert not missing


# Links


def anchors(text: str) -> set[str]:
    """The anchors that a code host gives the headings of a page."""
    found: dict[str, int] = {}
    result = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        result.add(slug if slug not in found else f"{slug}-{found[slug]}")
        found[slug] = found.get(slug, 0) + 1
    return result


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page that lead nowhere: no such file, or no such heading in it."""
    broken = []
    for target in LINK.findall(INLINE.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (
            anchor and anchor not in anchors(text if file == page else file.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_a_link_without_a_file_or_a_heading_is_noticed() -> None:
    page = REPOSITORY / "docs/index.md"
    text = "# A `first` heading\n[a](#a-first-heading) [b](#no-heading) [c](nowhere.md) [d](reference/cli.md#serl-run) "
    text += "[e](reference/cli.md#serl-walk) [f](https://example.org/x) ![g](none.png)\n```\n[h](in-code.md)\n```\n"
    assert broken_links(page, text) == ["#no-heading", "nowhere.md", "reference/cli.md#serl-walk", "none.png"]


def test_every_page_is_linked_from_the_index() -> None:
    index = REPOSITORY / "docs/index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())}
    assert [name_of(page) for page in pages() if page.parent.parent == index.parent and page not in linked] == []


# Commands


def serl_commands(text: str) -> Iterator[str]:
    """Every `serl ...` command in fenced blocks and inline code: lines joined at backslashes, without comments."""
    blocks = [match[3] for match in FENCE.finditer(text)]
    for block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            yield from _commands_in(line)
    for code in INLINE.findall(FENCE.sub("", text)):
        if code.startswith("serl "):
            yield from _commands_in(code)


def _commands_in(line: str) -> Iterator[str]:
    """The `serl` commands of a line of shell: after a prompt, a path, `&&`, an assignment or an `exec cpu`."""
    for part in re.split(r"&&|\|\||[|;]", re.sub(r"(?:^|\s)#.*", "", line)):
        match = re.search(r"(?:^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:nohup )?(?:\S*/)?|exec cpu )(serl\s+\S.*)", part)
        if match:
            yield match[1].strip().removesuffix("&").strip()


def why_not(command: str, parser: argparse.ArgumentParser) -> str | None:
    """Why the parser refuses a command, None when it takes it.

    Capitals stand for values, "…" for more of what comes before, brackets for what may be left out, and `$NAME` for
    what was exported before. A command alone, as in "`serl show` prints", needs no arguments.
    """
    command = re.sub(r"\$\{?SERL\}?", "CONFIG", command)
    words = [word for word in shlex.split(re.sub(r"[\[\]](?!http)", " ", command)) if word not in ("…", "...")]
    # A number is asked for where a placeholder stands.
    words = ["1" if PLACEHOLDER.fullmatch(word) and before in NUMBERS else word
             for before, word in zip(["", *words], words, strict=False)]  # fmt: skip
    if words[1:] == ["--help"] or words[1:] == ["--version"]:
        return None
    names = generate_subcommands(parser)
    if len(words) == 2 and words[1] in names:
        return None
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            parser.parse_args(words[1:])
        except SystemExit as ended:
            if ended.code:
                return said.getvalue().strip().splitlines()[-1]
    return None


NUMBERS = ("--iteration", "--iterations", "--rows", "--machine", "--node", "--port", "--cpu-limit", "--gpu-limit")


def generate_subcommands(parser: argparse.ArgumentParser) -> set[str]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name for action in actions for name in action.choices}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_serl_command_parses(generate: ModuleType, page: Path) -> None:
    parser = generate.cli_parser()
    commands = serl_commands(page.read_text(encoding="utf-8"))
    # The synopsis of the generated page is written in a grammar of its own.
    found = [] if name_of(page) == "docs/reference/cli.md" else list(commands)
    assert {command: reason for command in found if (reason := why_not(command, parser))} == {}


def test_a_command_that_does_not_parse_is_noticed(generate: ModuleType) -> None:
    text = """`serl show RUN --json`, `serl walk RUN` and `serl show`

```
export A=1 && serl run CONFIG --set a=1 \\
    --set b=2   # a comment: serl fly
.venv/bin/serl show runs/quickstart --color
serl compare runs/a runs/b …
serl join CONFIG --machine N &
ls serl
```
"""
    commands = list(serl_commands(text))
    assert commands == [
        "serl run CONFIG --set a=1  --set b=2", "serl show runs/quickstart --color", "serl compare runs/a runs/b …",
        "serl join CONFIG --machine N", "serl show RUN --json", "serl walk RUN", "serl show",
    ]  # fmt: skip
    refused = [command for command in commands if why_not(command, generate.cli_parser())]
    assert refused == ["serl show runs/quickstart --color", "serl walk RUN"]


# Measured figures


def missing_command(command: str, parser: argparse.ArgumentParser) -> str | None:
    """What does not exist of a command that prints figures: a make target, a module, a file or a `serl` command."""
    words = shlex.split(command)
    if words[0] == "make" and len(words) == 2:
        makefile = (REPOSITORY / "Makefile").read_text()
        return None if re.search(rf"^{re.escape(words[1])}:", makefile, re.MULTILINE) else f"target {words[1]}"
    if words[0] == "serl":
        return why_not(command, parser)
    if words[0].endswith("python") and words[1:2] == ["-m"]:
        if words[2] == "pytest":
            return next((word for word in words[3:] if not (REPOSITORY / word).exists()), None)
        path = REPOSITORY / words[2].replace(".", "/")
        exists = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        return None if exists else f"module {words[2]}"
    return None if (REPOSITORY / words[0]).is_file() else f"{words[0]} is no command that is known here"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_measured_figures_name_a_command_that_exists(generate: ModuleType, page: Path) -> None:
    found = MEASURED.findall(page.read_text(encoding="utf-8"))
    assert {command: why for command in found if (why := missing_command(command, generate.cli_parser()))} == {}


def unmeasured(text: str) -> list[str]:
    """Paragraphs and tables that hold a figure with a unit and are not followed by a measured comment."""
    blocks = re.split(r"\n\s*\n", re.sub(r"\n(?=<!-- measured)", " ", FENCE.sub("", text)))
    return [block for block in blocks if FIGURE.search(block) and not MEASURED.search(block)]


def test_every_figure_of_the_performance_page_is_measured() -> None:
    assert unmeasured((REPOSITORY / "docs/explanation/performance.md").read_text(encoding="utf-8")) == []


def test_a_figure_without_a_command_and_a_command_that_is_gone_are_noticed(generate: ModuleType) -> None:
    text = "It takes 12 s.\n<!-- measured: make run -->\n\nIt takes 12 s.\n\nTwice as fast, of 3 problems.\n"
    assert unmeasured(text) == ["It takes 12 s."]
    parser = generate.cli_parser()
    gone = [
        "make nothing",
        "python -m tests.benchmarks.nothing",
        "serl walk",
        "python -m pytest tests/none.py",
        "nothing",
    ]
    assert all(missing_command(command, parser) for command in gone)


# References written by hand


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def test_every_error_is_in_the_reference() -> None:
    text = (REPOSITORY / "docs/reference/errors.md").read_text(encoding="utf-8")
    kinds = [kind for kind in subclasses(errors.SerlError) if kind.__module__ == errors.__name__]
    assert [kind.__name__ for kind in kinds if f"| `{kind.__name__}` |" not in text] == []
    bases = [f"| `{kind.__name__}` | `{kind.__bases__[0].__name__}` |" for kind in kinds[1:]]
    assert [row for row in bases if row not in text] == []


def test_every_metric_of_a_run_is_in_the_reference() -> None:
    text = (REPOSITORY / "docs/reference/metrics.md").read_text(encoding="utf-8")
    names: set[str] = set()
    for path in (REPOSITORY / "tests/golden").rglob("manifests/*/*.json"):
        names |= json.loads(path.read_text())["metrics"].keys()
    assert len(names) > 30
    patterns = [
        (r"filter/rejected/\w+", "filter/rejected/REASON"),
        (r"vote/dropped/\w+", "vote/dropped/DECISION"),
        (r"vote/agreement/\w+", "vote/agreement/VOTER"),
        (r"train/\w+", "train/COLUMN"),
        (r"eval/\w+/(maj|pass)@\d+", r"\1@2"),
        (r"eval/\w+/(.+)", r"\1"),
    ]

    def documented(name: str) -> bool:
        spellings = [name, *(re.sub(f"^{pattern}$", shown, name) for pattern, shown in patterns)]
        return any(f"`{spelling}`" in text for spelling in spellings)

    assert sorted(name for name in names if not documented(name)) == []


def test_every_environment_variable_is_in_the_reference() -> None:
    text = (REPOSITORY / "docs/reference/environment.md").read_text(encoding="utf-8")
    pattern = re.compile(r"environ(?:\.(?:get|setdefault)\(|\[)\s*\"([A-Z][A-Z0-9_]+)\"|\"((?:VLLM|SERL)_[A-Z0-9_]+)\"")
    files = subprocess.run(
        ["git", "ls-files", "flows/*.py", "stages/*.py", "storage/*.py"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    names = {next(filter(None, found)) for file in files for found in pattern.findall((REPOSITORY / file).read_text())}
    assert {"SERL_CACHE", "HF_TOKEN", "VLLM_API_KEY", "PREFECT_LOGGING_LEVEL"} <= names
    assert sorted(name for name in names if f"`{name}`" not in text) == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_line_of_a_page_is_too_long(page: Path) -> None:
    if page.parent == REPOSITORY:
        pytest.skip("pages under docs/ only")
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if len(line) > 120] == []
