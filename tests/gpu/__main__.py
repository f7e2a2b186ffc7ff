"""Check whether vLLM and the update work on a machine with a GPU, and how near they are to what the card can do.

    python -m tests.gpu --model FOLDER --out FOLDER [--minutes 9] [--small] [NAME ...]

Each part runs in a process of its own and appends one line to OUT/results.jsonl when it ends. A second call with the
same OUT does the parts that have no line yet. OUT/summary.md says what passed, what did not, and why. The exit code is
0 only if every part that ran has passed. With --small all parts run on a CPU with a tiny policy.

Part `learning` runs only if it is named; it takes all the time of a call, and goes on with the next one:

    python -m tests.gpu learning [--arm majority|random|verified] [--data FOLDER] --model FOLDER --out FOLDER
"""

import argparse
import importlib.util
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from storage.errors import InputError
from tests.commands import REPOSITORY
from tests.gpu.policies import TINY_POLICY, tiny_policy
from tests.gpu.questions import DATA, GSM8K
from tests.gpu.record import Options
from tests.gpu.registry import ARMS, LEARNING, PARTS, SMALL_SECONDS, Part, part_name
from tests.gpu.runner import Runner, read_results
from tests.gpu.summary import write_summary
from tests.gpu.watch import Watch, versions


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--model", type=Path, help="Hugging Face folder; with --small a tiny policy is made if left out"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the results; the next call does the missing parts"
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="the command ends after this time (default 9)")
    parser.add_argument("--small", action="store_true", help="run all code on a CPU with a tiny policy")
    parser.add_argument("--arm", choices=ARMS, default=ARMS[0], help="part learning: what the rewards are")
    parser.add_argument(
        "--data", type=Path, default=DATA, help=f"part learning: folder with {' and '.join(GSM8K)} (default {DATA})"
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"only these parts of {', '.join(part.name for part in PARTS)}"
    )
    return parser.parse_args(words)


def chosen(names: list[str], small: bool, arm: str = ARMS[0]) -> list[Part]:
    """Return the parts with these names, all regular parts without a name, in order of value. Raises InputError."""
    known = [part.name for part in PARTS]
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"there is no part {unknown[0]!r}; expected some of {', '.join(known)}")
    parts = [part for part in PARTS if part.name in names or not (names or part.by_name_only)]
    parts = [replace(part, name=part_name(arm)) if part.name == LEARNING else part for part in parts]
    if small:
        # On a busy machine they take several times as long as on a quiet one.
        parts = [replace(part, seconds=SMALL_SECONDS, limit=3 * part.limit) for part in parts]
    return parts


def prepare(options: argparse.Namespace) -> Options:
    """Check what was asked for and make the folder of the results. Raises InputError in one line."""
    out = options.out.resolve()
    try:
        (out / "parts").mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    if not options.minutes > 0:
        raise InputError(f"--minutes {options.minutes:g}: expected more than 0")
    has_vllm = importlib.util.find_spec("vllm") is not None
    if not options.small:
        from stages.engines.gpu import has_gpu

        if not has_gpu():
            raise InputError(
                "no GPU that torch can use was found on this machine (driver, CUDA_VISIBLE_DEVICES and a CUDA build of "
                "torch are needed); --small runs all parts on a CPU"
            )
        if not has_vllm:
            raise InputError("vLLM is not installed here, and the parts on a GPU need it; --small does without")
        if options.model is None:
            raise InputError("--model FOLDER is missing: a Hugging Face folder with a chat template")
    model = options.model.resolve() if options.model else _tiny_policy(out / TINY_POLICY)
    if not (model / "config.json").is_file():
        raise InputError(f"--model {model} is no Hugging Face model folder: it has no config.json")
    engine = "vllm" if has_vllm else "transformers"
    data = options.data.resolve()
    if LEARNING in options.names and not (options.small and options.model is None):  # the tiny policy needs no data set
        check_data(data)
    return Options(out=out, model=model, small=options.small, engine=engine, deadline=0.0, arm=options.arm, data=data)  # type: ignore[arg-type]


def check_data(data: Path) -> None:
    """Raise InputError in one line if a folder does not hold GSM8K."""
    if missing := [str(data / name) for name in GSM8K if not (data / name).is_file()]:
        raise InputError(
            f"part learning needs GSM8K: {' and '.join(missing)} missing; bring the files along, and name their folder "
            "with --data"
        )


def _tiny_policy(folder: Path) -> Path:
    return folder if (folder / "config.json").is_file() else tiny_policy(folder)


def environment(out: Path) -> dict[str, str]:
    """Return the environment of the parts: no network, and everything that is compiled is kept in OUT/cache."""
    defaults = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        "SERL_CACHE": str(out / "cache"),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {**defaults, **os.environ, "PYTHONPATH": path}


def say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    end = time.time() + 60 * options.minutes
    signal.signal(signal.SIGTERM, _end)
    try:
        parts = chosen(options.names, options.small, options.arm)
        prepared = prepare(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    out = prepared.out
    found = versions()
    (out / "versions.json").write_text(json.dumps(found, indent=1) + "\n")
    names = ", ".join(part.name for part in parts)
    say(f"{names}: {options.minutes:g} minutes, {found.get('cards') or 'no card'}, {out}")
    interrupted = False
    try:
        with Watch(out, say):
            Runner(
                options=prepared, parts=parts, end=end, say=say, after_each=lambda: write_summary(out),
                environment=environment(out),
            ).run()  # fmt: skip
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted: the part that was running has no result, and the next call begins it again")
    results = read_results(out)
    write_summary(out)
    ran = {part.name: results[part.name] for part in parts if part.name in results}
    _say_end(out, parts, ran)
    return int(interrupted or not all(result["passed"] for result in ran.values()))


def _say_end(out: Path, parts: list[Part], ran: dict[str, Any]) -> None:
    missing = [part.name for part in parts if part.name not in ran or ran[part.name].get("unfinished")]
    passed = sum(result["passed"] for result in ran.values())
    rest = f"; not finished: {', '.join(missing)} (call again with the same --out)" if missing else ""
    say(f"{passed} of {len(ran)} parts passed{rest}; {out / 'summary.md'}")


if __name__ == "__main__":
    sys.exit(main())
