"""What `serl check` says about files of questions in which a model's control tokens stand as text."""

from collections.abc import Iterator, Sequence

from flows.models.asking import known_control_tokens
from flows.models.folders import model_folders
from flows.stage_settings import StageSettings
from stages.chat.control_tokens import TokenFinder
from stages.import_inputs import DATA_SET, SEED_FILE, seed_file
from stages.import_problems import problem_file, shots_of


def control_text_lines(resolved: StageSettings) -> list[str]:
    """Return a line for each file of questions that holds control tokens; none if no file does.

    Such a question is asked as text. It is often the sign of a file that was damaged when it was made. Rows are counted
    from 1, without those that are left out.

    Raises InputError for a file or row that cannot be used.
    """
    voters = " or of a voter" if any(voter.model for voter in resolved.config.voters) else ""
    finder = TokenFinder(known_control_tokens(resolved.config, model_folders(resolved.config)))
    lines = []
    for kind, name, texts in _texts(resolved):
        tokens = {row: token for row, text in enumerate(texts, start=1) if (token := finder.first_in(text)) is not None}
        if tokens:
            first, token = next(iter(tokens.items()))
            holds, asked = ("holds", "it is") if len(tokens) == 1 else ("hold", "they are")
            lines.append(
                f"control text {len(tokens):,} of {len(texts):,} {kind} {holds} a control token of the policy{voters} "
                f"(the first: {token!r} in {name} {first}); {asked} asked as text"
            )
    return lines


def _texts(resolved: StageSettings) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield (plural, singular, texts) of each file of questions."""
    if resolved.import_seeds.source:
        yield "seeds", "seed", [row.question for row in seed_file(resolved.import_seeds, SEED_FILE).questions]
    if resolved.import_dataset and resolved.import_dataset.source:
        questions = seed_file(resolved.import_dataset, DATA_SET).questions
        yield "questions of the data set", "question", [row.question for row in questions]
    for problem_set in resolved.import_problems.sets:
        name = problem_set.name
        if problem_set.source:
            yield f"problems of {name}", "problem", [row.question for row in problem_file(problem_set).questions]
        if shots := shots_of(problem_set):
            yield f"worked examples of {name}", "example", [f"{row['question']} {row['reasoning']}" for row in shots]
