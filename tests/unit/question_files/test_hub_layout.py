"""Which files of a data set of the hub hold a configuration and a split, for layouts as public data sets have them."""

import time
from collections.abc import Mapping, Sequence

import pytest

from stages.question_files.hub_layout import (
    Layout,
    converted_layout,
    endings,
    is_script,
    listed,
    missing_parts,
    own_layout,
)
from storage.errors import InputError

NAMES = [".gitattributes", "README.md"]


def front_matter(configs: str) -> str:
    return f"---\nlicense: mit\nconfigs:\n{configs}---\n# A data set\n"


def parts(start: str, count: int = 1) -> list[str]:
    return [f"{start}-{number:05d}-of-{count:05d}.parquet" for number in range(count)]


def stated(configs: Mapping[str, Mapping[str, str]]) -> str:
    """Return a README.md as the hub writes it for data sets that were pushed from the package datasets."""
    lines = []
    for config, splits in configs.items():
        lines.append(f"- config_name: {config}\n  data_files:\n")
        lines += [f"  - split: {split}\n    path: {path}\n" for split, path in splits.items()]
    return front_matter("".join(lines))


def chosen(layout: Layout, config: str | None = None, split: str | None = None) -> list[str]:
    return list(layout.choose(config, split, "data set").files)


MMLU_SPLITS = ("test", "validation", "dev")
SUBJECTS = ("abstract_algebra", "anatomy", "all")
PUBMEDQA = ("pqa_artificial", "pqa_labeled", "pqa_unlabeled")
MATH_HARD = """\
- config_name: default
  data_files:
  - split: train
    path: train/*
  - split: test
    path: test/*
- config_name: algebra
  data_files:
  - split: train
    path: train/algebra.jsonl
  - split: test
    path: test/algebra.jsonl
"""
LAYOUTS: dict[str, tuple[Sequence[str], str | None, tuple[str | None, str | None], list[str]]] = {
    # data set: (files, README.md, (configuration, split), files of these)
    "openai/gsm8k": (
        [*parts("main/test"), *parts("main/train"), *parts("socratic/test"), *parts("socratic/train")],
        stated({name: {s: f"{name}/{s}-*" for s in ("train", "test")} for name in ("main", "socratic")}),
        ("main", "train"),
        parts("main/train"),
    ),
    "HuggingFaceH4/MATH-500": (["test.jsonl"], "---\nlanguage:\n- en\n---\n", (None, None), ["test.jsonl"]),
    "TIGER-Lab/MMLU-Pro": (
        [*parts("data/test"), *parts("data/validation"), "run_gpt4o.py"],
        stated({"default": {"test": "data/test-*", "validation": "data/validation-*"}}),
        (None, "validation"),
        parts("data/validation"),
    ),
    "GBaker/MedQA-USMLE-4-options": (
        ["phrases_no_exclude_test.jsonl", "phrases_no_exclude_train.jsonl"],
        "---\nlicense: cc-by-4.0\n---\n",
        (None, "test"),
        ["phrases_no_exclude_test.jsonl"],
    ),
    "openlifescienceai/medmcqa": (
        [*parts("data/test"), *parts("data/train"), *parts("data/validation")],
        stated({"default": {s: f"data/{s}-*" for s in ("train", "test", "validation")}}),
        ("default", "validation"),
        parts("data/validation"),
    ),
    "qiaojin/PubMedQA": (
        [name for config in PUBMEDQA for name in parts(f"{config}/train")],
        stated({config: {"train": f"{config}/train-*"} for config in PUBMEDQA}),
        ("pqa_labeled", None),
        parts("pqa_labeled/train"),
    ),
    "cais/mmlu": (
        [name for subject in SUBJECTS for split in MMLU_SPLITS for name in parts(f"{subject}/{split}")],
        stated({subject: {split: f"{subject}/{split}-*" for split in MMLU_SPLITS} for subject in SUBJECTS}),
        ("anatomy", "dev"),
        parts("anatomy/dev"),
    ),
    "allenai/ai2_arc": (
        [name for config in ("ARC-Challenge", "ARC-Easy") for name in parts(f"{config}/test")],
        stated({config: {"test": f"{config}/test-*"} for config in ("ARC-Challenge", "ARC-Easy")}),
        ("ARC-Challenge", "test"),
        parts("ARC-Challenge/test"),
    ),
    "allenai/sciq": (
        [*parts("data/test"), *parts("data/train"), *parts("data/validation")],
        stated({"default": {s: f"data/{s}-*" for s in ("train", "validation", "test")}}),
        (None, "train"),
        parts("data/train"),
    ),
    "EleutherAI/hendrycks_math": (
        [*parts("algebra/test"), *parts("algebra/train"), *parts("geometry/test")],
        stated({name: {"test": f"{name}/test-*"} for name in ("algebra", "geometry")}),
        ("geometry", None),
        parts("geometry/test"),
    ),
    "lighteval/MATH-Hard": (
        ["test/algebra.jsonl", "test/geometry.jsonl", "train/algebra.jsonl", "train/geometry.jsonl"],
        front_matter(MATH_HARD),
        (None, "test"),
        ["test/algebra.jsonl", "test/geometry.jsonl"],
    ),
    "AI-MO/NuminaMath-CoT": (
        [*parts("data/train", 5), *parts("data/test")],
        stated({"default": {"train": "data/train-*", "test": "data/test-*"}}),
        (None, "train"),
        parts("data/train", 5),
    ),
    "Hothan/OlympiadBench": (
        ["OlympiadBench/OE_TO/OE_TO.parquet", "OlympiadBench/OE_MM/OE_MM.parquet"],
        stated({name: {"train": f"OlympiadBench/{name}/{name}.parquet"} for name in ("OE_TO", "OE_MM")}),
        ("OE_TO", None),
        ["OlympiadBench/OE_TO/OE_TO.parquet"],
    ),
    "parts with digests, and no README.md": (
        ["data/train-00000-of-00001-0a1b2c.parquet", "data/test-00000-of-00001-3d4e5f.parquet"],
        None,
        (None, "train"),
        ["data/train-00000-of-00001-0a1b2c.parquet"],
    ),
    "a split of another name": (
        [*parts("data/train_sft", 2), *parts("data/test_sft")],
        None,
        (None, "train_sft"),
        parts("data/train_sft", 2),
    ),
    "configurations in folders, and no README.md": (
        [*parts("main/train"), *parts("main/test"), *parts("socratic/train")],
        None,
        ("main", "test"),
        parts("main/test"),
    ),
    "all folders at once, as the hub's page shows it": (
        ["algebra/train.jsonl", "geometry/train.jsonl"],
        None,
        ("default", "train"),
        ["algebra/train.jsonl", "geometry/train.jsonl"],
    ),
    "folders of splits": (
        ["dev/a.csv", "dev/b.csv", "train/a.csv"],
        None,
        (None, "validation"),
        ["dev/a.csv", "dev/b.csv"],
    ),
    "one file without a split": (["questions.json"], None, (None, "train"), ["questions.json"]),
    "a file with the split's name": (["easy.jsonl", "hard.jsonl"], None, (None, "hard"), ["hard.jsonl"]),
    "a file with the split's name beside others": (
        ["train.jsonl", "test.jsonl", "hard.jsonl"],
        None,
        ("default", "hard"),
        ["hard.jsonl"],
    ),
    "a file with the split's name in a folder": (
        ["data/algebra/hard.jsonl", "data/geometry/hard.jsonl", "data/algebra/easy.jsonl"],
        None,
        ("algebra", "hard"),
        ["data/algebra/hard.jsonl"],
    ),
    "parts beside more files of another form": (
        [*parts("data/train"), "raw/a.json", "raw/b.json"],
        None,
        (None, "train"),
        parts("data/train"),
    ),
    "gzipped": (["train.jsonl.gz", "test.jsonl.gz"], None, (None, "test"), ["test.jsonl.gz"]),
    "the same rows in two forms": (["test.csv", "test.parquet"], None, (None, None), ["test.parquet"]),
    "descriptions that are JSON": (["dataset_infos.json", "test.json"], None, (None, None), ["test.json"]),
    "hidden files": (["test.json", ".cache/test.json", "__MACOSX/test.json"], None, (None, None), ["test.json"]),
    "one pattern": (["a.csv", "b.csv"], front_matter('- data_files: "*.csv"\n'), (None, "train"), ["a.csv", "b.csv"]),
    "a list of patterns": (
        ["b.csv", "a.csv", "c.csv"],
        front_matter("- config_name: x\n  data_files: [b.csv, a.csv]\n"),
        ("x", "train"),
        ["b.csv", "a.csv"],
    ),
    "a list of paths of a split": (
        ["a.csv", "b.csv", "c.csv"],
        front_matter("- data_files:\n  - {split: test, path: [a.csv, c.csv]}\n"),
        (None, "test"),
        ["a.csv", "c.csv"],
    ),
    "patterns by split": (["a.csv"], front_matter("- data_files: {test: a.csv}\n"), (None, "test"), ["a.csv"]),
    "a folder's files": (
        ["en/train.csv", "en/test.csv", "fr/test.csv"],
        front_matter("- {config_name: en, data_dir: en}\n- {config_name: fr, data_dir: fr}\n"),
        ("en", "test"),
        ["en/test.csv"],
    ),
    "patterns through folders": (
        ["data/a/train/x.jsonl", "data/train/y.jsonl", "data/a/test/z.jsonl"],
        front_matter("- data_files: [{split: train, path: ./data/**/train/*.jsonl}]\n"),
        (None, "train"),
        ["data/a/train/x.jsonl", "data/train/y.jsonl"],
    ),
    "a marked default": (
        ["a.csv", "b.csv"],
        front_matter("- {config_name: x, data_files: a.csv}\n- {config_name: y, data_files: b.csv, default: true}\n"),
        (None, None),
        ["b.csv"],
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_gives_the_files_of_a_split(name: str) -> None:
    names, readme, (config, split), expected = LAYOUTS[name]
    assert chosen(own_layout([*NAMES, *names], readme, "data set"), config, split) == expected


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("openai/gsm8k", (None, "train"), "data set has several configurations; set `config` to one of main, socratic"),
        (
            "openai/gsm8k",
            ("mian", None),
            "data set has no configuration 'mian'; did you mean main? It has main, socratic",
        ),
        ("openai/gsm8k", ("x", None), "data set has no configuration 'x'; it has main, socratic"),
        (
            "openai/gsm8k",
            ("main", None),
            "data set, configuration main, has several splits; set `split` to one of train, test",
        ),
        ("TIGER-Lab/MMLU-Pro", (None, None), "data set has several splits; set `split` to one of test, validation"),
        ("HuggingFaceH4/MATH-500", (None, "train"), "data set has no split 'train'; it has test"),
    ],
)
def test_layout_lists_what_can_be_chosen(name: str, choice: tuple[str | None, str | None], message: str) -> None:
    names, readme, _, _ = LAYOUTS[name]
    with pytest.raises(InputError) as raised:
        own_layout(names, readme, "data set").choose(*choice, "data set")
    assert str(raised.value) == message


def test_folders_without_a_readme_have_to_be_chosen() -> None:
    layout = own_layout(LAYOUTS["configurations in folders, and no README.md"][0], None, "data set")
    with pytest.raises(InputError, match="several configurations; set `config` to one of main, socratic, default"):
        layout.choose(None, "train", "data set")


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["model.pkl", "gsm8k.py"],
        ["images/1.png"],
        ["data.zip"],
        ["../secrets.jsonl"],
        ["/etc/x.csv"],
        ["a\\..\\b.csv"],
    ],
)
def test_repository_without_files_of_rows_has_no_configuration(names: list[str]) -> None:
    assert not own_layout(names, None, "data set").configs


def test_script_is_known_by_its_name() -> None:
    names = ["legalbench.py", "data.tar.gz", "README.md"]
    assert is_script(names, "---\nlicense: other\n---\n", "nguha/legalbench", "data set")
    assert not is_script(names, stated({"default": {"test": "test.csv"}}), "nguha/legalbench", "data set")
    assert not is_script(["run_gpt4o.py", "test.jsonl"], None, "TIGER-Lab/MMLU-Pro", "data set")


def test_conversion_has_a_folder_for_each_split() -> None:
    names = [
        "abercrombie/test/0000.parquet",
        "abercrombie/train/0000.parquet",
        *(f"hearsay/test/{number:04d}.parquet" for number in range(12)),
        *(f"long/train-part{part}/0000.parquet" for part in range(11)),
        "large/partial-train/0000.parquet",
        ".gitattributes",
    ]
    layout = converted_layout(names)
    assert chosen(layout, "abercrombie", "test") == ["abercrombie/test/0000.parquet"]
    assert chosen(layout, "hearsay") == names[2:14]
    assert chosen(layout, "long", "train") == names[14:25]
    with pytest.raises(InputError, match=r"configuration large, has no split 'train'; it has partial-train"):
        layout.choose("large", "train", "data set")
    assert chosen(converted_layout(["default/train/0000.parquet"])) == ["default/train/0000.parquet"]


def test_missing_parts_are_named() -> None:
    assert missing_parts(["a/test-00000-of-00003.parquet", "a/test-00002-of-00003.parquet", "b.csv"]) == [
        "a/test-00001-of-00003"
    ]
    assert not missing_parts(parts("a/test", 3))


@pytest.mark.parametrize(
    "readme",
    [
        "---\nconfigs: [\n---\n",
        "---\nconfigs: {a: !!python/object:os.system {}}\n---\n",
        f"---\nconfigs: {'[' * 90_000}{']' * 90_000}\n---\n",
    ],
)
def test_broken_front_matter_is_an_error(readme: str) -> None:
    with pytest.raises(InputError, match=r"data set: the front matter of its README.md is not YAML: .*set `path`"):
        own_layout(["test.csv"], readme, "data set")


@pytest.mark.parametrize(
    "configs",
    [
        "configs: 3",
        "configs: [3, x]",
        "configs: &a [*a]",
        "configs: [{config_name: [1], data_files: 7}]",
        "configs: null",
    ],
)
def test_odd_front_matter_leaves_the_names_of_files(configs: str) -> None:
    layout = own_layout(["test.csv"], f"---\n{configs}\n---\n", "data set")
    assert [files for splits in layout.configs.values() for files in splits.values()] == [("test.csv",)]


def test_hostile_patterns_take_linear_time() -> None:
    pattern = "*a" * 60 + "b"
    readme = front_matter(f'- data_files: ["{pattern}", "{"**/" * 60}x", "[", "[!", "{pattern}/{pattern}"]\n')
    began = time.perf_counter()
    own_layout([f"{'a' * 200}/{'a/' * 40}{'a' * 200}.csv" for _ in range(20)], readme, "data set")
    assert time.perf_counter() - began < 5


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    text = listed([f"subject_{number}" for number in range(2_000)])
    assert len(text) < 1_100
    assert text.endswith(" more")
    assert endings(["a.PNG", "b.png", "Makefile"]) == ".png (2), Makefile (1)"
