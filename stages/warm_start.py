r"""Trains the built-in starting policy: a tiny Llama with its own tokenizer, supervised on the built-in domain.

The paper starts from a pretrained instruction model. This model is small enough to be trained on a laptop, and it has
what self-play needs: two ways of answering, of which only one is reliable for a model of its size. The model first
learns to write out the steps (`30+8=38-2=36 \boxed{36}`). Late in training, half of the answers state the result at
once (`\boxed{36}`). The majority of many samples is then often right when a single sample is not. A model that is only
under-trained would not do, because its votes are noise. Self-play makes this model use the reliable way more often; it
teaches no new arithmetic.

Nothing is downloaded. torch is imported only inside functions. `AutoModelForCausalLM` and `AutoTokenizer` load the
folder without `trust_remote_code`.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains.arithmetic import Problem, direct_response, make_problem, worked_response
from stages.settings.warm_start import WarmStartConfig

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[int, int, str], None]
"""Called with the number of steps done, the number of all steps, and a short text."""
Example = tuple[list[int], list[int]]
"""Token ids of a prompt, and of the text to learn after it."""

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SPECIAL_TOKENS = (PAD, START, END)
"""All control tokens of the policy's tokenizer."""
LIST_REQUEST = "Come up with a series of questions:"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MAX_POSITIONS = 1024

# Text is split into pieces, and BPE merges bytes only within a piece. A piece is one digit; or one word, with the space
# and the backslash before it and the `{` or (if a digit follows) the space after it; or one other sign, with the space
# before it; or one white space.
_PIECES = r"[0-9]| ?\\?[A-Za-z]+(?:\{| (?=[0-9]))?| ?[^\sA-Za-z0-9]|\s"
_TOKENIZER_PROBLEMS = 3000
_REPORT_EVERY = 10


def warm_start(config: WarmStartConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the folder `policy`."""
    metrics = train_policy(config, work.seed(), work.scratch / "policy", work.progress)
    work.write_folder("policy", work.scratch / "policy")
    return metrics


WARM_START = Stage(name="warm_start", version=1, body=warm_start, folders=("policy",))


def train_policy(config: WarmStartConfig, seed: int, folder: Path, progress: Progress) -> dict[str, float]:
    """Train the policy on one thread, and write it to `folder` in Hugging Face's format.

    The same config, seed and machine give the same bytes. All problems are drawn from the domain's `warm` split.
    Returns the losses of the last step in nats per token.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # the pipeline shows its own progress bar
    rng = random.Random(seed)
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = build_tokenizer(config)
        model = _build_model(config, tokenizer)
        matrices, other_weights = _split_weights(model)
        momenta = [torch.zeros_like(matrix) for matrix in matrices]
        adam = torch.optim.Adam(other_weights, betas=(0.9, 0.98), foreach=True)
        for step in range(config.steps):
            losses = _losses(config, model, _batch(config, tokenizer, rng, step))
            total = losses["answer"] + config.question_loss * losses["question"] + config.list_loss * losses["list"]
            torch.autograd.backward(total)
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            adam.param_groups[0]["lr"] = config.learning_rate * _rate_factor(config, step)
            adam.step()
            _muon_step(matrices, momenta, config.matrix_learning_rate * _rate_factor(config, step))
            model.zero_grad()
            if (step + 1) % _REPORT_EVERY == 0 or step + 1 == config.steps:
                progress(step + 1, config.steps, f"answer loss {losses['answer'].item():.3f}")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return {f"warm_start/{name}_loss": loss.item() for name, loss in losses.items()}


def build_tokenizer(config: WarmStartConfig) -> Any:
    """Return a transformers tokenizer with a chat template: byte-level BPE, trained on text of the domain.

    Each digit is its own token. The tokenizer depends only on the domain and the size of the vocabulary, so it is the
    same for every seed of a run.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rng = random.Random(0)
    texts = (
        f"user\n{LIST_REQUEST}\n1. {problem.question}\nassistant\n{problem.question}\n"
        f"{worked_response(problem)}\n{direct_response(problem)}"
        for problem in (make_problem(rng, "warm") for _ in range(_TOKENIZER_PROBLEMS))
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def _build_model(config: WarmStartConfig, tokenizer: Any) -> Any:
    """Return an untrained Llama.

    A `qwen2` model would not do: for its folder, AutoTokenizer ignores the saved splitting rule and uses that of Qwen2.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            head_dim=config.head_size,
            intermediate_size=config.feed_forward,
            initializer_range=config.init_std,
            max_position_embeddings=MAX_POSITIONS,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    return model.train()


def _batch(config: WarmStartConfig, tokenizer: Any, rng: random.Random, step: int) -> tuple[list[Example], ...]:
    """Return the examples of one step: questions with answers, and lists of questions."""
    direct_share = config.direct_share if step >= config.direct_from_step else 0.0
    problems = [make_problem(rng, "warm") for _ in range(config.questions_per_step)]
    lists = [
        [make_problem(rng, "warm").question for _ in range(config.examples_in + config.examples_out)]
        for _ in range(config.lists_per_step)
    ]
    texts = [(f"{problem.question}\n", _answer(rng, problem, direct_share)) for problem in problems]
    texts += [_list_task(questions, config.examples_in) for questions in lists]
    ids = tokenizer([text for pair in texts for text in pair], add_special_tokens=False)["input_ids"]
    sequences = list(zip(ids[::2], ids[1::2], strict=True))
    return sequences[: len(problems)], sequences[len(problems) :]


def _answer(rng: random.Random, problem: Problem, direct_share: float) -> str:
    make_response = direct_response if rng.random() < direct_share else worked_response
    return make_response(problem) + END


def _list_task(questions: list[str], shown: int) -> tuple[str, str]:
    """Return (prompt, text to learn).

    The prompt is a chat that asks for a list of questions and shows the first ones and the next number. The text is the
    remaining questions.
    """
    numbered = [f"{number}. {question}" for number, question in enumerate(questions, start=1)]
    request = "\n".join([LIST_REQUEST, *numbered[:shown], f"{shown + 1}."])
    prompt = f"{START}user\n{request}{END}\n{START}assistant\n"
    return prompt, "\n".join(numbered[shown:]).removeprefix(f"{shown + 1}.") + END


def _losses(config: WarmStartConfig, model: Any, batch: tuple[list[Example], ...]) -> dict[str, "Tensor"]:
    """Return the mean losses over the tokens of answers, of questions, and of questions written in a list."""
    answered, lists = batch
    answer_loss, question_loss = _token_losses(model, answered)
    list_loss, _ = _token_losses(model, lists)
    return {"answer": answer_loss, "question": question_loss, "list": list_loss}


def _token_losses(model: Any, sequences: list[Example]) -> tuple["Tensor", "Tensor"]:
    """Return the mean losses over the learned tokens and over the prompts' tokens.

    Padding is on the right, so no token attends to it.
    """
    import torch
    from torch.nn.functional import cross_entropy

    length = max(len(prompt) + len(learned) for prompt, learned in sequences)
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    learned_mask = torch.zeros(len(sequences), length, dtype=torch.bool)
    text_mask = torch.zeros(len(sequences), length, dtype=torch.bool)
    for row, (prompt, learned) in enumerate(sequences):
        end = len(prompt) + len(learned)
        ids[row, :end] = torch.tensor(prompt + learned)
        learned_mask[row, len(prompt) : end] = True
        text_mask[row, :end] = True
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    target_mask = text_mask[:, 1:]
    losses = cross_entropy(model.lm_head(hidden[target_mask]), ids[:, 1:][target_mask], reduction="none")
    is_learned = learned_mask[:, 1:][target_mask]
    return losses[is_learned].mean(), losses[~is_learned].mean()


def _rate_factor(config: WarmStartConfig, step: int) -> float:
    """Return the factor by which both learning rates are multiplied at `step`, counted from 0.

    The factor rises to 1 over `warm_up_steps`, stays there, and falls to `final_rate` over the last `decay_share` of
    the steps.
    """
    rise = min(1.0, (step + 1) / max(1, config.warm_up_steps))
    fall = min(1.0, (config.steps - step) / (config.decay_share * config.steps))
    return rise * max(config.final_rate, fall)


def _split_weights(model: Any) -> tuple[list["Tensor"], list["Tensor"]]:
    """Return the matrices inside the blocks (for Muon) and all other weights (for Adam)."""
    named = list(model.named_parameters())
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    other_weights = [weight for name, weight in named if weight.ndim != 2 or "embed" in name]
    return matrices, other_weights


def _muon_step(matrices: list["Tensor"], momenta: list["Tensor"], rate: float) -> None:
    """Do one step of Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon), in float32.

    Muon replaces the averaged gradient by an approximation of the nearest orthogonal matrix. After a minute of
    training, 50-77 % of worked answers were right; with AdamW for all weights, 35-47 %. Torch's own Muon computes in
    bfloat16, which takes three times as long on a CPU that supports it and longer on others.
    """
    import torch

    with torch.no_grad():
        for matrix, momentum in zip(matrices, momenta, strict=True):
            assert matrix.grad is not None
            momentum.lerp_(matrix.grad, 0.05)
            update = matrix.grad.lerp(momentum, 0.95)
            matrix.add_(_orthogonal(update), alpha=-rate * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5)


def _orthogonal(matrix: "Tensor") -> "Tensor":
    """Return the matrix after five Newton-Schulz steps.

    They bring singular values that are not close to zero to roughly 1 (between 0.7 and 1.2 for most).
    """
    if matrix.shape[0] > matrix.shape[1]:
        return _orthogonal(matrix.T).T
    result: Tensor = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        gram = result @ result.T
        result = 3.4445 * result + (2.0315 * gram @ gram - 4.7750 * gram) @ result
    return result


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread.

    Two threads are slower than one on matrices this small, and results would depend on the number of threads.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
