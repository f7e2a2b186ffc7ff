"""In which form a run asks its policy for new questions, and why."""

from collections.abc import Mapping
from typing import Any

from flows.config.run import ChosenForm, RunConfig
from flows.models.folders import policy_folder
from flows.models.tokenizers import options_of, tokenizer_in
from stages.chat.turns import check_turns
from stages.warm_start import CHAT_TEMPLATE as TEMPLATE_OF_A_WARM_START
from stages.warm_start import SPECIAL_TOKENS
from storage.errors import InputError

BEFORE_FORMS = ChosenForm(form="list", reason="the run was started before there were other forms")


def asked_form(config: RunConfig) -> ChosenForm:
    """Return the form in which a run asks for new questions: the one that it states, or has kept, or would choose now.

    Raises HubError, InputError or MissingArtifact if the policy is not there (see `policy_folder`).
    """
    if config.generate.form != "auto":
        return ChosenForm(form=config.generate.form, reason="as the settings say")
    return config.chosen_form or _choose(config)


def asked_settings(config: RunConfig) -> dict[str, Any]:
    """Return the settings for new questions in the form in which a run asks for them (`GenerateSettings.asked_in`).

    Raises InputError if `generate.form: auto` stands for a form that the other settings do not suit, and what
    `asked_form` raises.
    """
    asked, per_prompt = asked_form(config), config.generate.questions_per_prompt
    if asked.form != "list" and per_prompt is not None and per_prompt > 1:
        raise InputError(
            f"generate.questions_per_prompt is {per_prompt}, but the policy is asked in the form {asked.form} "
            f"({asked.reason}), in which each response is one question; leave questions_per_prompt out, or set "
            "generate.form: list"
        )
    return config.generate.asked_in(asked.form)


def fallback_note(config: RunConfig) -> str:
    """Return a line for the start of a run whose `generate.form: auto` stands for plain text; "" for other runs."""
    chosen = config.chosen_form
    if config.generate.form != "auto" or chosen is None or chosen.form != "plain":
        return ""
    return f"questions are asked for as plain text, without the chat template: {chosen.reason}"


def kept_form(config: RunConfig, stored: Mapping[str, Any]) -> ChosenForm | None:
    """Return the form that `auto` stands for in a run, by the settings in its revision, `stored`.

    None if it has chosen none, or chose it for another policy. A run from before there were forms asks for a list.
    """
    if "form" not in stored.get("generate", {}):
        return BEFORE_FORMS
    chosen, policy = stored.get("chosen_form"), config.policy and config.policy.model_dump(mode="json")
    return ChosenForm.model_validate(chosen) if chosen and stored.get("policy") == policy else None


def _choose(config: RunConfig) -> ChosenForm:
    """Return what `auto` stands for: turns if the policy's chat template takes them, else plain.

    The fake engine and the tiny policy of a warm start know lists alone.
    """
    folder = policy_folder(config) if config.instructions == "self" else None
    if folder is None:
        return ChosenForm(form="list", reason="the fake engine and a policy made by warm start continue lists")
    try:
        template = tokenizer_in(folder, options_of(config, config.generate.template_arguments)).template
        if template.text == TEMPLATE_OF_A_WARM_START and template.control.tokens.keys() == set(SPECIAL_TOKENS):
            return ChosenForm(form="list", reason="the policy was made by a warm start, which teaches lists")
        check_turns(template)
    except InputError as error:  # if the tokenizer cannot be read at all, whatever reads it next says so
        return ChosenForm(form="plain", reason=str(error))
    return ChosenForm(form="turns", reason="the policy's chat template takes them")
