"""Which texts are names of the hub, and which are paths."""

from pathlib import Path

import pytest

from stages.hub.names import Repository, hub_repository, parse_name


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", "main"),
        ("Qwen/Qwen2.5-0.5B-Instruct@main", "Qwen/Qwen2.5-0.5B-Instruct", "main"),
        ("01-ai/Yi-1.5-6B@v1.0", "01-ai/Yi-1.5-6B", "v1.0"),
        ("a/b@refs/pr/3", "a/b", "refs/pr/3"),
        ("a/b@7ae557604adf67be50417f59c2c2f167def9a775", "a/b", "7ae557604adf67be50417f59c2c2f167def9a775"),
        ("mistral_ai/_model", "mistral_ai/_model", "main"),
    ],
)
def test_names(text: str, name: str, revision: str) -> None:
    assert parse_name(text) == Repository(name, revision=revision)


@pytest.mark.parametrize(
    "text",
    [
        "", "model", "models/a/b", "/models/a", "./a", "../a", "~/a", "a/", "/a", "a//b", "a/.b", ".a/b", "a/b.",
        "a-/b", "a/b@", "a/b@-x", "a/b@x..y", "a/b@x y", "a/b@/x", "a/b@x/", "a b/c", "a/b--c", "a/b..c", "a/b.git",
        "ä/b", "a/b\n", "a\\b/c", "s3://a/b", "hf://a/b", "https://huggingface.co/a/b", "a/" + "b" * 97, "a@x/b",
    ],
)  # fmt: skip
def test_paths_and_mistakes(text: str) -> None:
    assert parse_name(text) is None


def test_whatever_exists_here_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hub_repository("models/tiny") == Repository("models/tiny")
    (tmp_path / "models").mkdir()
    assert hub_repository("models/tiny") is None, "a mistyped path"
    (tmp_path / "models" / "other").mkdir()
    assert hub_repository("models/other") is None
    assert hub_repository("lab/questions", "dataset") == Repository("lab/questions", "dataset")
    (tmp_path / "lab@v2").write_text("")
    assert hub_repository("lab/questions@v2", "dataset") is not None
