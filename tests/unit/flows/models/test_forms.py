"""In which form a run asks its policy for questions: chosen by its chat template when it starts, then kept."""

import re
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import parse_config
from flows.config.run import ChosenForm, RunConfig
from flows.models import forms
from flows.models.forms import BEFORE_FORMS, asked_form, fallback_note
from flows.models.pinned import pinned
from flows.preflight.checks import check_inputs
from flows.run_progress import config_of_run, find_finished
from flows.stage_settings import resolve
from stages.settings.warm_start import WarmStartConfig
from stages.warm_start import CHAT_TEMPLATE as TEMPLATE_OF_A_WARM_START
from stages.warm_start import build_tokenizer
from storage.errors import ConfigError, InputError
from storage.run import Revision, newest_revision, open_run, write_revision
from storage.store import Store
from tests.helpers import fake_config, fake_values, run_here
from tests.tiny_models import CHAT_TEMPLATE, make_tiny_policy, make_tiny_tokenizer

REFUSING = "{% if messages|length > 2 %}{{ raise_exception('one question') }}{% endif %}" + CHAT_TEMPLATE


def policy(folder: Path, template: str | None = CHAT_TEMPLATE) -> Path:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = template
    return make_tiny_policy(folder, tokenizer=tokenizer)


def config_with(tmp_path: Path, folder: Path, **generate: Any) -> RunConfig:
    values = fake_values(tmp_path, engine="transformers", policy={"model": str(folder)})
    values["generate"] = {"questions": 8, "max_tokens": 64, **generate}
    return parse_config(values, "test")


@pytest.mark.parametrize(
    ("template", "form", "reason"),
    [
        (CHAT_TEMPLATE, "turns", "chat template takes them"),
        (None, "plain", "has no chat template"),
        (REFUSING, "plain", r"takes no chat of several turns: it refuses them \(.*one question"),
        (TEMPLATE_OF_A_WARM_START, "turns", "chat template takes them"),  # another tokenizer's
    ],
)
def test_auto_follows_from_the_chat_template(tmp_path: Path, template: str | None, form: str, reason: str) -> None:
    config = config_with(tmp_path, policy(tmp_path / "policy", template))
    asked = asked_form(config)
    assert asked.form == form
    assert re.search(reason, asked.reason)
    settings = resolve(config).generate
    assert settings.form == form
    assert (settings.questions_per_prompt, settings.presence_penalty) == (1, 0.0)
    assert settings.prompts == 12  # 8 * 1.5 questions
    used = {"turns": "request", "plain": "mark"}[form]
    assert [name for name in ("user", "request", "mark") if getattr(settings, name)] == [used]
    check_inputs(resolve(config))


def test_a_run_that_falls_back_to_plain_text_says_so(tmp_path: Path) -> None:
    config = fake_config(tmp_path, generate={"form": "auto"})
    assert fallback_note(config) == ""  # nothing is chosen before the start
    for form, expected in (("plain", "as plain text, without the chat template: R"), ("turns", "")):
        chosen = ChosenForm.model_validate({"form": form, "reason": "R"})
        note = fallback_note(config.model_copy(update={"chosen_form": chosen}))
        assert expected in note and bool(note) == bool(expected)


def test_what_knows_lists_alone_is_asked_for_lists(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"generate": {"questions": 8}}
    assert asked_form(fake_config(tmp_path, **changes)).form == "list"
    changes |= {"engine": "transformers", "policy": {"warm_start": {}}}
    assert asked_form(fake_config(tmp_path, **changes)).form == "list"
    folder = make_tiny_policy(tmp_path / "policy", tokenizer=build_tokenizer(WarmStartConfig()))
    asked = asked_form(config_with(tmp_path, folder))
    assert asked.form == "list" and "warm start, which teaches lists" in asked.reason
    settings = resolve(config_with(tmp_path, folder)).generate
    assert settings == resolve(config_with(tmp_path, folder, form="list")).generate
    assert (settings.prompts, settings.presence_penalty) == (2, 2.0)


def test_a_list_has_the_settings_of_before(tmp_path: Path) -> None:
    """Its key, and so its outputs, are those of runs from before there were forms."""
    settings = resolve(fake_config(tmp_path, generate={"read": "published"})).generate.model_dump(mode="json")
    assert settings.keys() == {
        "questions", "over_generation", "questions_per_prompt", "examples", "examples_from_pool", "system", "user",
        "temperature", "top_p", "presence_penalty", "max_prompt_tokens", "max_tokens",
    }  # fmt: skip
    assert settings["presence_penalty"] == 2.0 and settings["user"] == "Come up with a series of questions:"


@pytest.mark.parametrize("form", ["turns", "plain"])
def test_several_questions_per_prompt_go_with_lists(tmp_path: Path, form: str) -> None:
    folder = policy(tmp_path / "policy", CHAT_TEMPLATE if form == "turns" else None)
    with pytest.raises(ConfigError, match=r"questions_per_prompt is 2, but with form .* set form: list$"):
        config_with(tmp_path, folder, form=form, questions_per_prompt=2)
    config = config_with(tmp_path, folder, questions_per_prompt=2)
    with pytest.raises(InputError, match=rf"is 2, but the policy is asked in the form {form} \(.*or set generate.form"):
        resolve(config)
    with pytest.raises(InputError, match=rf"is 2, but the policy is asked in the form {form} \(.*or set generate.form"):
        pinned(config, Store(config.uri))  # with which `serl check` and a run begin
    assert resolve(config_with(tmp_path, folder, questions_per_prompt=1)).generate.prompts == 12


@pytest.mark.parametrize("wording", [{"request": " "}, {"mark": ""}, {"mark": "a\nb"}])
def test_wording_is_text(tmp_path: Path, wording: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        config_with(tmp_path, tmp_path, **wording)


def test_a_whole_run_in_turns(tmp_path: Path) -> None:
    generate: dict[str, Any] = {"form": "turns", "questions": 8, "examples": 3, "max_tokens": 400}
    config = fake_config(tmp_path, iterations=1, generate=generate)
    assert run_here(config).complete
    run = open_run(config.uri)
    assert run.table("generations", 1).height == 12  # 8 * 1.5 questions
    assert run.table("accepted", 1).height > 2
    asked = run.manifests(1)["generate_instructions"].config
    assert (asked["form"], asked["user"]) == ("turns", "") and "chosen_form" not in run.config
    # Other wording is another execution of the stage; that of another form is not.
    for name, complete in (("mark", True), ("request", False)):
        changed = fake_config(tmp_path, iterations=1, generate={**generate, name: "Exercise:"})
        assert find_finished(changed, Store(config.uri)).complete == complete


def kept_config(tmp_path: Path, folder: Path, iterations: int, **generate: Any) -> RunConfig:
    """Settings of a run that writes few questions and trains on none."""
    values = fake_values(
        tmp_path, engine="transformers", policy={"model": str(folder)}, min_kept=10_000, iterations=iterations,
        sample={"max_tokens": 2, "responses": 2},
    )  # fmt: skip
    values["generate"] = {"questions": 2, "over_generation": 1, "examples": 2, "max_tokens": 4, **generate}
    values["evaluate"]["protocol"] = {"samples": 0, "max_tokens": 2}
    return parse_config(values, "test")


def test_a_run_keeps_its_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = policy(tmp_path / "policy")
    config = kept_config(tmp_path, folder, iterations=0)
    run_here(config)
    chosen = open_run(config.uri).config["chosen_form"]
    assert chosen == {"form": "turns", "reason": "the policy's chat template takes them"}
    assert open_run(config.uri).config["generate"]["form"] == "auto"

    def refuse(template: object) -> None:
        raise InputError("another version of transformers")

    monkeypatch.setattr(forms, "check_turns", refuse)
    store = Store(config.uri)
    for resumed in (config, config_of_run(open_run(config.uri))):
        assert find_finished(resumed, store).resolved.generate.form == "turns"
    # Another policy, or a form that is stated, counts more.
    other = policy(tmp_path / "other")
    assert find_finished(kept_config(tmp_path, other, iterations=0), store).resolved.generate.form == "plain"
    stated = kept_config(tmp_path, folder, iterations=0, form="list")
    assert find_finished(stated, store).resolved.generate.form == "list"


def test_a_run_from_before_there_were_forms_goes_on_with_lists(tmp_path: Path) -> None:
    folder = policy(tmp_path / "policy")
    config = kept_config(tmp_path, folder, iterations=1, form="list")
    run_here(config)
    store = Store(config.uri)
    revision = newest_revision(store)
    assert revision is not None and "chosen_form" not in revision.config
    generate = {name: value for name, value in revision.config["generate"].items() if name not in ADDED}
    write_revision(
        store,
        Revision(config={**revision.config, "generate": {**generate, **BEFORE}}, iterations=revision.iterations),
    )
    # Its file of settings has no form, and its own settings have none: nothing is computed again.
    unstated = kept_config(tmp_path, folder, iterations=1)
    for resumed in (unstated, config_of_run(open_run(config.uri))):
        progress = find_finished(resumed, store)
        assert progress.complete and progress.config.chosen_form == BEFORE_FORMS
    run_here(kept_config(tmp_path, folder, iterations=2))
    run = open_run(config.uri)
    assert ChosenForm.model_validate(run.config["chosen_form"]) == BEFORE_FORMS
    assert find_finished(config_of_run(run), store).complete
    forms_of = {run.manifests(iteration)["generate_instructions"].config.get("form") for iteration in (1, 2)}
    assert forms_of == {None} and run.manifests(1)["generate_instructions"].config["presence_penalty"] == 2.0


ADDED = ("form", "request", "mark", "questions_per_prompt", "presence_penalty")
BEFORE = {"questions_per_prompt": 8, "presence_penalty": 2.0}
"""Settings that are new since then, or had another default."""
