"""Configs: those of the repository load, and a mistake is one line with file and setting."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config.load import load_config, parse_config
from flows.config.run import RunConfig
from flows.preflight.checks import check_inputs
from flows.stage_settings import (
    evaluation_settings,
    filter_settings,
    problem_settings,
    resolve,
    update_settings,
    vote_settings,
)
from stages.import_problems import problems_of, shots_of
from stages.settings.filter import FilterSettings, QualityRules
from stages.settings.generate import GenerateConfig
from stages.text.quality import RULES
from stages.trainer.fake import FAKE_POLICY
from storage.errors import ConfigError, InputError
from tests.helpers import fake_config, fake_values, write_jsonl
from tests.policy_server import PolicyServer
from tests.tiny_models import make_tiny_policy

FOLDER = Path(__file__).parents[4] / "configs"
CONFIGS = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("arms/*.yaml")])
MINIMAL: dict[str, Any] = {
    "name": "x",
    "engine": "fake",
    "seeds": {"path": "seeds.jsonl"},
    "evaluate": {"benchmarks": [{"name": "b", "path": "b.jsonl"}]},
}


def test_expected_configs_exist() -> None:
    arms = {"majority.yaml", "verified.yaml", "random.yaml", "seeds_only.yaml", "dataset.yaml", "frozen_generator.yaml"}
    papers = {"paper-llama3.2-3b.yaml", "paper-qwen2.5-7b.yaml"}
    proofs = {"gsm8k-0.5b.yaml", "gsm8k-0.5b-random.yaml", "gsm8k-0.5b-verified.yaml", "math-self-0.5b.yaml"}
    assert {"quickstart.yaml", *papers, *arms, *proofs} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert vote_settings(config).rewards == config.rewards
    assert update_settings(config).temperature == config.sample.temperature
    without_model = config.model_copy(update={"policy": None})  # the hub is not asked for it
    assert filter_settings(without_model).questions == config.generate.questions


@pytest.mark.parametrize("name", ["paper-llama3.2-3b", "paper-qwen2.5-7b"])
def test_paper_configs_have_the_published_settings(name: str) -> None:
    """arXiv 2505.20347, section 4 and appendix."""
    config = load_config(Path(__file__).parents[4] / "configs" / f"{name}.yaml")
    assert (config.sample.responses, config.sample.temperature) == (16, 1.0)
    assert (config.vote.min_reward, config.vote.max_reward) == (0.2, 0.8)
    assert (config.update.learning_rate, config.update.kl_coef, config.update.clip) == (5e-7, 1e-3, 0.2)
    assert config.filter.max_similarity == 0.7 and config.generate.examples == 8
    published = ("empty", *(name for name in RULES if name.startswith(("too", "banned", "leading"))), "control_text")
    assert config.filter.rules == QualityRules(use=published) and config.generate.read == "published"
    assert config.iterations * config.generate.questions == 6_000  # three published iterations of 2,000 questions


def test_other_numbers_are_another_question_in_a_built_in_domain() -> None:
    quickstart = load_config(FOLDER / "quickstart.yaml")
    assert quickstart.filter == FilterSettings() and quickstart.generate.read == "published"
    use = filter_settings(quickstart).rules.use
    assert (*use, "copies_example", "repeats") == FilterSettings().rules.use
    assert filter_settings(parse_config(MINIMAL, "test")).rules.use == use  # the fake engine
    other = parse_config(MINIMAL, "test").model_copy(update={"engine": "transformers"})
    assert filter_settings(other).rules == FilterSettings().rules


def test_new_settings_stay_out_of_the_keys_of_earlier_runs() -> None:
    assert "read" not in GenerateConfig().model_dump() and GenerateConfig(read="clean").model_dump()["read"] == "clean"
    assert not {"max_example_similarity", "max_repeat_similarity"} & set(QualityRules().model_dump())
    assert QualityRules(max_repeat_similarity=0.5).model_dump()["max_repeat_similarity"] == 0.5
    # The run's own settings always say how questions are read, since a dump is read again.
    config = parse_config(MINIMAL | {"generate": {"read": "published"}}, "test")
    assert parse_config(config.model_dump(mode="json"), "test") == config


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return `MINIMAL` with a setting changed, given by its dotted path."""
    *parents, last = path.split(".")
    values: dict[str, Any] = {name: dict(part) if isinstance(part, dict) else part for name, part in MINIMAL.items()}
    group = values
    for parent in parents:
        group = group.setdefault(parent, {})
    group[last] = value
    return values


BENCHMARK = {"name": "b", "path": "b.jsonl"}


HOLDS_ITSELF: list[Any] = []
"""As YAML reads `&a [*a]`."""
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("itertions", 3, r"itertions: unknown setting; did you mean iterations\?"),
        ("update.learning_rte", 1, r"update\.learning_rte: unknown setting; did you mean learning_rate\?"),
        (
            "compute.trainer.proceses",
            1,
            r"compute\.trainer\.proceses: unknown setting; did you mean processes_per_node\?",
        ),
        ("filter.rules.min_word", 1, r"filter\.rules\.min_word: unknown setting; did you mean min_words\?"),
        (
            "filter.rules.use",
            ["empty", "too_shrt"],
            r"filter\.rules\.use\.1: unknown rule 'too_shrt'; did you mean too_short\? \(known: empty, too_short, ",
        ),
        ("filter.rules.use", ["empty", "empty"], r"filter\.rules: use names empty more than once"),
        ("filter.rules.use", "empty", r"filter\.rules\.use: .*valid tuple, found 'empty'"),
        ("filter.rules.banned_words", ["draw", ""], r"filter\.rules\.banned_words\.1: '' is blank and would reject"),
        ("filter.rules.min_words", 200, r"filter\.rules: min_words 200 is above max_words 150"),
        ("policy", {"warm_start": {"step": 1}}, r"policy\.warm_start\.step: unknown setting; did you mean steps\?"),
        ("evaluate.benchmarks", [BENCHMARK | {"sed": 1}], r"evaluate\.benchmarks\.0\.sed: .*did you mean seed\?"),
        ("zzz", 3, "zzz: unknown setting; known here: name, root, seed"),
        ("sample.responses", 0, r"sample\.responses: Input should be greater than 0, found '0'"),
        ("update.learning_rate", 2, r"update\.learning_rate: .*less than or equal to 1, found '2'"),
        ("filter.max_similarity", 1.01, r"filter\.max_similarity: .*less than or equal to 1, found '1.01'"),
        ("seed", -1, "seed: .*greater than or equal to 0"),
        ("sample.responses", "many", r"sample\.responses: .*valid integer.*found 'many'"),
        ("rewards", "votes", "rewards: .*'majority', 'verified' or 'random', found 'votes'"),
        ("rewards", "verified", "rewards: verified needs labels"),
        ("name", "../elsewhere", "name: .*pattern"),
        ("name", "", "name: .*pattern"),
        ("vote.min_reward", 0.9, r"vote: min_reward 0\.9 is above max_reward 0\.8"),
        ("seeds", {}, "seeds needs exactly one of path, hub, domain; found none"),
        (
            "seeds",
            {"path": "a", "domain": "arithmetic", "count": 3},
            "exactly one of path, hub, domain; found path and domain",
        ),
        ("seeds", {"hub": "gsm8k"}, r"seeds\.hub: found 'gsm8k', expected OWNER/NAME of a data set .* set as `path`"),
        ("seeds", {"hub": "a/b", "path": "a"}, "exactly one of path, hub, domain; found path and hub"),
        ("seeds", {"path": "a", "config": "main"}, "`config` goes with `hub`"),
        ("seeds", {"path": "a", "split": "train"}, "`split` goes with `hub`"),
        ("seeds", {"domain": "arithmetic", "count": 3, "format": {}}, "`format` goes with `path` or `hub`"),
        ("evaluate.benchmarks", [{"name": "gsm8k", "split": "train"}], "`split` goes with `hub`"),
        ("evaluate.benchmarks", [{"name": "a", "hub": "a/b", "examples": {"hub": "b"}}], r"examples\.hub: found 'b'"),
        (
            "evaluate.benchmarks",
            [{"name": "a", "hub": "a/b", "examples": {"hub": "a/b", "splt": "dev"}}],
            r"benchmarks\.0\.examples\.splt: unknown setting; did you mean split\?",
        ),
        ("seeds", {"domain": "arithmetic"}, "`count` goes with `domain`"),
        ("seeds", {"path": "a", "count": 3}, "`count` goes with `domain`"),
        ("seeds", "seeds.jsonl", "seeds: .*found 'seeds.jsonl'"),
        (
            "policy",
            {"model": "m", "run": "r"},
            "policy needs exactly one of warm_start, model, run; found model and run",
        ),
        ("policy", {"model": "m", "iteration": 3}, "`iteration` goes with `run`"),
        ("policy", {"model": "m"}, "`policy` must be set, unless `engine` is fake"),
        ("engine", "transformers", "`policy` must be set, unless `engine` is fake"),
        ("evaluate.benchmarks", [], "evaluate.benchmarks: .*at least 1 item"),
        ("evaluate.benchmarks", [BENCHMARK, BENCHMARK], "benchmark names must differ"),
        (
            "keep.policies",
            {"best": {"benchmark": "b"}},
            r"`validation: true` \(found none\): one that is reported must not",
        ),
        ("keep.policies", {"best": {}}, "best needs exactly one of benchmark, signal; found none"),
        ("evaluate.benchmarks", [{"name": "A B", "path": "b.jsonl"}], r"evaluate\.benchmarks\.0\.name: .*pattern"),
        (
            "answers.kind",
            "maths",
            r"answers: unknown kind of answers 'maths'; expected math, choice, text, or file\.py",
        ),
        ("answers", {"kind": "mine.py:KIND", "boxed_only": True}, "answers: boxed_only goes with math, choice, text"),
        *(
            (name, value, f"`{name}` goes with `questions_per_update`, which is not set")
            for name, value in (("max_rounds", 4), ("tokens_per_update", 1_000), ("carry_over", False))
        ),
        ("questions_per_update", 0, "questions_per_update: Input should be greater than 0"),
        ("filter.answerable", 1, r"filter\.answerable: Input should be greater than or equal to 2"),
        *(
            ("filter.answerable", tries, rf"filter\.answerable {tries} is not less than the 16 of sample\.responses")
            for tries in (16, 17)
        ),
        ("draw.prefer_uncertain", 0, r"draw\.prefer_uncertain: Input should be greater than 0"),
        ("draw.prefer_uncertain", 2, r"draw\.prefer_uncertain goes with instructions: seeds or dataset"),
        ("vote.train_responses", 17, r"vote\.train_responses 17 is more than the 16 of sample\.responses"),
        ("vote.abstain_below", 1.5, r"vote\.abstain_below: .*less than or equal to 1"),
        ("voters", [{"name": "a", "iteration": 0, "modle": "x"}], r"voters\.0\.modle: .*did you mean model\?"),
        (
            "evaluate.benchmarks",
            [{"name": "a"}],
            r"benchmark a is not in the catalogue \(`serl benchmarks` lists it\), so it needs exactly one of "
            "path, hub, domain, seeds; found none",
        ),
        ("evaluate.benchmarks", [BENCHMARK | {"answers": {"kind": "?"}}], r"benchmarks\.0\.answers: unknown kind"),
        ("sample.prompt", {"template": "no place"}, r"sample\.prompt\.template: .*pattern"),
        *(
            ("chat_date", value, "chat_date: expected a date as YEAR-MONTH-DAY, such as 2026-01-31")
            for value in ("2026-1-31", "today", "31.01.2026", 20260131, 0, True, datetime(2026, 1, 31), [2026])
        ),
        ("chat_date", "2026-02-30", "chat_date: .*day value is outside expected range"),
        ("thinking_marks", [["<plan>", "<plan>"]], "thinking_marks: '<plan>' both begins and ends thinking"),
        ("thinking_marks", [["<a>", "<b>"], ["<b>", "<c>"]], "thinking_marks: '<b>' both begins and ends thinking"),
        ("thinking_marks", [["<plan>", "  "]], "thinking_marks: '  ' is white space"),
        ("thinking_marks", [["", ""]], r"thinking_marks\.0\.0: .*at least 2 characters"),
        *(
            ("sample.template_arguments", {"a": value}, r"sample\.template_arguments: 2026-01-31.* put it in quotes")
            for value in (date(2026, 1, 31), datetime(2026, 1, 31), [{"b": date(2026, 1, 31)}])
        ),
        ("generate.template_arguments", {"a": "\ud800"}, r"generate\.template_arguments: .* half of a surrogate pair"),
        ("sample.template_arguments", {"a": HOLDS_ITSELF}, r"sample\.template_arguments\.a.*: Recursion error"),
        ("sample.template_arguments", {"self": 1}, "'self' is no argument of a chat template"),
    ],
)
def test_wrong_setting_is_one_line_with_its_name(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(changed(path, value), "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert "\n" not in str(caught.value) and "http" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["sample.temperature", "update.importance_weight_cap", "update.kl_coef", "update.max_grad_norm"]
)
def test_infinity_is_refused(path: str) -> None:
    """`.inf` used to pass the bounds and then fail in the stage key, because JSON has no such number."""
    with pytest.raises(ConfigError, match=path.rsplit(".", 1)[1]):
        parse_config(changed(path, float("inf")), "my.yaml")


def test_empty_root_is_refused() -> None:
    """`root: ""` used to mean the root of the file system."""
    with pytest.raises(ConfigError, match="root"):
        parse_config(changed("root", ""), "my.yaml")


def test_missing_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"my\.yaml: seeds: Field required"):
        parse_config({name: part for name, part in MINIMAL.items() if name != "seeds"}, "my.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [", "is not YAML: while parsing"),
        (b"- a\n- b\n", "holds list; expected settings such as `name: my-run`"),
        (b"chat_date: 2026-02-30", "is not YAML: day is out of range for month"),
        (b"", "is empty; expected settings such as `name: my-run`"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"name: !!python/object/apply:os.system ['true']", "is not YAML: could not determine a constructor"),
    ],
)
def test_unusable_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"my\.yaml does not exist; expected a YAML file such as configs/quickstart"):
        load_config(tmp_path / "my.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compute.gpus: all", r"compute\.gpus: unknown setting; in a file write compute: \{gpus: \.\.\.\}$"),
        ("update.lora: {rank: 16}", r"update\.lora: unknown setting; in a file write update: \{lora: \.\.\.\}$"),
        ("compute: {trainer.dtype: bfloat16}", r"unknown setting; in a file write trainer: \{dtype: \.\.\.\}$"),
        ("other.name: a", r"other\.name: unknown setting; known here: name, root"),
        ("seed.name: a", r"seed\.name: unknown setting; did you mean seed\?"),
    ],
)
def test_a_full_name_in_a_file_is_answered_with_its_groups(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "my.yaml").write_text(f"extends: {QUICKSTART}\n{line}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "my.yaml")


QUICKSTART = FOLDER / "quickstart.yaml"


def test_overrides_are_yaml_values_by_dotted_name() -> None:
    config = load_config(
        QUICKSTART, ("update.learning_rate=1e-4", "iterations=2", "generate.system=a=b", "domain=null")
    )
    assert (config.update.learning_rate, config.iterations, config.generate.system, config.domain) == (
        1e-4,
        2,
        "a=b",
        None,
    )
    assert config.update.batch_responses == load_config(QUICKSTART).update.batch_responses
    assert load_config(QUICKSTART, ("compute.trainer={processes_per_node: 2}",)).compute.trainer.processes_per_node == 2
    assert load_config(QUICKSTART, ("iterations=2", "iterations=4")).iterations == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("iterations", "--set iterations: expected key=value, such as"),
        ("=3", "--set =3: expected key=value"),
        ("name.first=x", "--set name.first=x: name is not a group of settings"),
        ("iterations=[", r"--set iterations=\[: '\[' is not a YAML value"),
        ("chat_date=2026-02-30", r"'2026-02-30' is not a YAML value \(day is out of range for month\)"),
        ("iteration=3", r"iteration: unknown setting; did you mean iterations\?"),
        ("iterations=-3", "iterations: .*greater than or equal to 0"),
    ],
)
def test_wrong_override_is_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(QUICKSTART, (override,))


def test_settings_survive_the_revision(tmp_path: Path) -> None:
    """`serl resume` reads them back from JSON."""
    for config in (fake_config(tmp_path), *map(load_config, CONFIGS)):
        assert parse_config(config.model_dump(mode="json"), "revision") == config


def test_uri_is_root_and_name() -> None:
    assert parse_config(changed("root", "s3://bucket/runs/"), "x").uri == "s3://bucket/runs/x"
    assert parse_config(MINIMAL, "x").uri == "runs/x"


def test_iteration_zero_and_the_last_are_always_evaluated() -> None:
    config = parse_config({**changed("iterations", 5), "evaluate": {**MINIMAL["evaluate"], "every": 3}}, "x")
    assert [number for number in range(6) if config.evaluation_is_due(number)] == [0, 3, 5]


def test_inputs_enter_by_content(tmp_path: Path) -> None:
    config = fake_config(tmp_path)
    before = resolve(config).import_seeds
    assert before.sha256 is not None and "path" not in before.model_dump()
    (tmp_path / "seeds.jsonl").write_text('{"question": "What is 1+1?"}\n')
    assert resolve(config).import_seeds.sha256 != before.sha256
    assert resolve(config).import_policy[0] is FAKE_POLICY


def test_missing_input_is_named(tmp_path: Path) -> None:
    config = RunConfig.model_validate(fake_values(tmp_path, seeds={"path": "nowhere.jsonl"}))
    with pytest.raises(InputError, match=r"seed file nowhere\.jsonl does not exist"):
        resolve(config)
    (tmp_path / "sums.jsonl").unlink()
    with pytest.raises(InputError, match=r"benchmark sums .*sums\.jsonl does not exist"):
        problem_settings(config)


def test_benchmark_may_have_its_kind_of_answers() -> None:
    benchmarks = [BENCHMARK, BENCHMARK | {"name": "exam", "answers": {"kind": "choice"}}]
    values = changed("evaluate.benchmarks", benchmarks) | {"answers": {"kind": "text", "boxed_only": True}}
    config = parse_config(values, "my.yaml")
    protocols = evaluation_settings(config).benchmarks
    kinds = {name: (protocol.answers.kind, protocol.answers.boxed_only) for name, protocol in protocols.items()}
    assert kinds == {BENCHMARK["name"]: ("text", True), "exam": ("choice", False)}
    assert vote_settings(config).answers.kind == "text"


def test_voters_are_refused_with_verified_rewards() -> None:
    values = changed("rewards", "verified") | {"domain": "arithmetic", "voters": [{"name": "a", "iteration": 0}]}
    with pytest.raises(ConfigError, match="voters have no say with rewards: verified"):
        parse_config(values, "my.yaml")


def test_filter_excludes_labelled_seeds_from_overlap() -> None:
    values = changed("evaluate.benchmarks", [BENCHMARK, {"name": "own", "seeds": True}])
    assert filter_settings(parse_config(values, "my.yaml")).seed_sets == ("own",)


@pytest.mark.parametrize("engine", ["vllm", "server"])
def test_a_model_may_have_copies(tmp_path: Path, engine: str) -> None:
    policy = {"model": str(make_tiny_policy(tmp_path / "policy"))}
    config = fake_config(tmp_path, engine=engine, policy=policy, compute={"vllm": {"data_parallel": 2}})
    assert config.compute.vllm.data_parallel == 2


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ({"vllm": {"data_parallel": 2}}, "sets vllm.data_parallel, which is also set to 2; remove one"),
        ({"trainer": {"processes_per_node": 4}}, "sets trainer.processes_per_node, which is also set to 4"),
        ({"trainer": {"processes": 4}}, "sets trainer.processes_per_node, which is also set to 4"),
    ],
)
def test_all_gpus_are_counted_once(tmp_path: Path, also: dict[str, Any], message: str) -> None:
    assert fake_config(tmp_path, compute={"gpus": "all", "vllm": {"data_parallel": 1}}).compute.gpus == "all"
    with pytest.raises(ConfigError, match=message):
        fake_config(tmp_path, compute={"gpus": "all", **also})


@pytest.mark.parametrize("override", ["vllm.data_parallel=1", "trainer={processes: 1}"])
def test_what_all_gpus_set_is_not_set_by_the_user_even_to_the_default(override: str) -> None:
    with pytest.raises(ConfigError, match=r"`gpus: all` sets .*, which is also set to 1; remove one of the two"):
        load_config(QUICKSTART, ("compute.gpus=all", f"compute.{override}"))


def test_one_gpu_is_the_default_and_in_no_dump(tmp_path: Path) -> None:
    assert "gpus" not in fake_config(tmp_path).model_dump(mode="json")["compute"]
    dumped = fake_config(tmp_path, compute={"gpus": "all"}).model_dump(mode="json")
    assert parse_config(dumped, "again").compute.gpus == "all"


@pytest.mark.parametrize(
    ("urls", "message"),
    [
        (["gpu-1:8000"], "expected http://host:port, found 'gpu-1:8000'"),
        (["http://a:1", "http://a:1/"], "named twice"),
        ([], "at least 1 item"),
    ],
)
def test_server_urls_are_checked(urls: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        fake_config(tmp_path, compute={"server": {"urls": urls}})


def test_servers_are_checked_before_the_run(tmp_path: Path) -> None:
    policy, other = make_tiny_policy(tmp_path / "policy"), make_tiny_policy(tmp_path / "other", num_hidden_layers=1)
    with PolicyServer(other) as server:
        settings = {
            "policy": {"model": str(policy)},
            "compute": {"server": {"urls": [server.url]}},
            "sample": {"max_prompt_tokens": 100, "max_tokens": 100},
            "generate": {"questions": 8, "max_prompt_tokens": 100, "max_tokens": 100},
        }
        with pytest.raises(InputError, match=f"no server runs the model of policy, {policy}: {server.url}: it runs"):
            check_inputs(resolve(fake_config(tmp_path, engine="server", **settings)))
        server.model = policy
        check_inputs(resolve(fake_config(tmp_path, engine="server", **settings)))
    with pytest.raises(InputError, match="no server answers"):
        check_inputs(resolve(fake_config(tmp_path, engine="server", **settings)))


def test_adapter_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`adapter` goes with `model`"):
        fake_config(tmp_path, engine="transformers", policy={"run": "runs/other", "adapter": "a"})
    with pytest.raises(ConfigError, match="voter old: `adapter` goes with `model`"):
        fake_config(tmp_path, voters=[{"name": "old", "iteration": 0, "adapter": "a"}])


def with_benchmarks(folder: Path, *benchmarks: Any, **evaluate: Any) -> RunConfig:
    return fake_config(folder, evaluate={"data": str(folder), "benchmarks": list(benchmarks), **evaluate})


def test_named_benchmark_needs_only_its_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "gsm8k.jsonl", [{"question": "How many?", "answer": "9*2=18\n#### 18"}])
    config = with_benchmarks(tmp_path, "gsm8k")
    (problem_set,) = problem_settings(config).sets
    assert problem_set.path == str(tmp_path / "gsm8k.jsonl")
    assert [row["answer"] for row in problems_of(problem_set)] == ["18"]
    # The same content in another folder has the same identity.
    from_path = problem_settings(with_benchmarks(tmp_path, {"name": "gsm8k", "path": problem_set.path}, data="none"))
    assert from_path.model_dump() == problem_settings(config).model_dump()


def test_missing_named_benchmark_names_its_source(tmp_path: Path) -> None:
    """The tests forbid calls to the hub, as a cluster without a connection does."""
    offline = (
        "benchmark math_500: data set HuggingFaceH4/MATH-500: HF_HUB_OFFLINE=1 forbids a download, .* hf download "
        "HuggingFaceH4/MATH-500 --repo-type dataset. Without the hub: "
    )
    file = r".*/math_500.jsonl \(or .parquet\) does not exist; set its `path`, or: python"
    with pytest.raises(InputError, match=offline + file):
        problem_settings(with_benchmarks(tmp_path, "math_500"))
    with pytest.raises(InputError, match=r"math_500.jsonl .*; and .*gsm8k.jsonl .*'openai/gsm8k', 'main'"):
        problem_settings(with_benchmarks(tmp_path, "math_500", "gsm8k"))
    with pytest.raises(InputError, match=r"^.*/asdiv.jsonl \(or .parquet\) does not exist; set its `path`, or: curl"):
        problem_settings(with_benchmarks(tmp_path, "asdiv"))


def test_benchmark_with_examples_needs_both_files(tmp_path: Path) -> None:
    row = {"question": "Which?", "options": ["1", "2"], "answer": "B", "category": "law"}
    write_jsonl(tmp_path / "mmlu_pro.jsonl", [row])
    config = with_benchmarks(tmp_path, "mmlu_pro")
    with pytest.raises(InputError, match=r"mmlu_pro_examples.jsonl .* split='validation'"):
        problem_settings(config)
    write_jsonl(tmp_path / "mmlu_pro_examples.jsonl", [{**row, "cot_content": "A: Let's think step by step. It is 2."}])
    (problem_set,) = problem_settings(config).sets
    assert [shot["reasoning"] for shot in shots_of(problem_set)] == ["It is 2."]
    protocol = evaluation_settings(config).benchmarks["mmlu_pro"]
    assert protocol.answers.kind == "choice" and protocol.label == "own, 5 examples"


def test_custom_benchmark_has_fields_and_groups(tmp_path: Path) -> None:
    rows = [{"stem": "Which?", "choices": ["tax", "duty"], "key": 1, "area": "civil"}]
    path = write_jsonl(tmp_path / "bar.jsonl", rows)
    benchmark = {
        "name": "bar",
        "path": str(path),
        "answers": {"kind": "choice"},
        "prompt": "chat_boxed",
        "format": {
            "fields": {"question": "stem", "options": "choices", "answer": "key", "subject": "area"},
            "groups": {"private": ["civil", "commercial"]},
            "answer_base": 0,
        },
    }
    config = with_benchmarks(tmp_path, benchmark)
    (row,) = problems_of(problem_settings(config).sets[0])
    assert row["question"] == "Which?\nAnswer Choices: (A) tax (B) duty"
    assert (row["answer"], row["subject"], row["group"]) == ("B", "civil", "private")
    assert evaluation_settings(config).benchmarks["bar"].label == "chat_boxed"


def test_skipped_rows_are_in_the_key_only_if_there_are_any(tmp_path: Path) -> None:
    def dumps(**benchmark: Any) -> tuple[str, str]:
        seeds = {"path": str(tmp_path / "exam.jsonl"), **benchmark}
        settings = resolve(fake_config(tmp_path, seeds=seeds, evaluate={"benchmarks": [{"name": "x", **seeds}]}))
        return settings.import_seeds.model_dump_json(), settings.import_problems.model_dump_json()

    write_jsonl(tmp_path / "exam.jsonl", [{"question": "One?", "answer": 1}])
    assert dumps() == dumps(on_bad_row="error") == dumps(on_bad_row="skip")
    write_jsonl(tmp_path / "exam.jsonl", [{"question": "One?", "answer": 1}, {"answer": 2}])
    error, skip = dumps(), dumps(on_bad_row="skip")
    assert [key.replace(',"skipped_rows":1', "") for key in skip] == list(error) and skip[0] != error[0]


def test_a_format_of_seeds_is_in_the_key(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "exam.jsonl", [{"question": "One?", "options": ["a", "b"], "answer": "A"}])
    plain, quiz = (
        resolve(fake_config(tmp_path, seeds={"path": str(tmp_path / "exam.jsonl"), **changes})).import_seeds
        for changes in ({}, {"format": {"preset": "multiple_choice"}})
    )
    assert "format" not in plain.model_dump() and quiz.model_dump()["format"]["fields"]["options"] == ("options",)
    with pytest.raises(ConfigError, match="`format` goes with `path`"):
        fake_config(tmp_path, seeds={"domain": "arithmetic", "count": 3, "format": {"preset": "medqa"}})


def test_unknown_name_or_prompt_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"benchmark gsm9k is not in the catalogue .* needs exactly one of path, hub, domain, seeds"
    ):
        with_benchmarks(tmp_path, "gsm9k")
    with pytest.raises(ConfigError, match=r"unknown prompt 'few'; expected plain, boxed, chat, chat_boxed"):
        with_benchmarks(tmp_path, "gsm8k", protocol={"prompt": "few"})


@pytest.mark.parametrize(
    ("arm", "switch"),
    [
        ("majority", {}),
        ("verified", {"rewards": "verified"}),
        ("random", {"rewards": "random"}),
        ("seeds_only", {"instructions": "seeds"}),
        ("dataset", {"instructions": "dataset"}),
        ("frozen_generator", {"generator": "initial"}),
    ],
)
def test_arm_differs_from_the_method_in_one_switch(arm: str, switch: dict[str, str]) -> None:
    method, config = load_config(FOLDER / "quickstart.yaml"), load_config(FOLDER / "arms" / f"{arm}.yaml")
    differing = {name for name in RunConfig.model_fields if getattr(method, name) != getattr(config, name)}
    assert differing - {"name", "dataset", "watchdog"} == set(switch)
    assert {name: getattr(config, name) for name in switch} == switch


def test_config_may_extend_another(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(yaml.safe_dump({**MINIMAL, "sample": {"responses": 8, "top_p": 0.9}}))
    (tmp_path / "sub").mkdir()
    child = tmp_path / "sub" / "child.yaml"
    child.write_text("extends: ../base.yaml\nname: y\nsample: {responses: 4}\n")
    config = load_config(child, ("sample.top_p=0.8",))
    assert (config.name, config.sample.responses, config.sample.top_p) == ("y", 4, 0.8)
    # Lists are replaced, not merged.
    child.write_text("extends: ../base.yaml\nevaluate: {benchmarks: [{name: c, path: c.jsonl}]}\n")
    assert [benchmark.name for benchmark in load_config(child).evaluate.benchmarks] == ["c"]


def test_failed_extension_names_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    with pytest.raises(ConfigError, match=r"b.yaml, which .*a.yaml extends, does not exist"):
        load_config(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigError, match=r"a.yaml extends itself, through .*a.yaml and .*b.yaml"):
        load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instructions": "dataset"}, "instructions: dataset needs the questions to draw from: `dataset` is not set"),
        ({"dataset": {"path": "x.jsonl"}}, "`dataset` goes with `instructions: dataset`; found instructions: self"),
        ({"instructions": "seeds", "generator": "initial"}, "generator: initial goes with instructions: self"),
        ({"rewards": "verified"}, "with instructions: seeds or dataset the answers given"),
        ({"instructions": "dataset", "dataset": {}}, "dataset needs exactly one of path, hub, domain; found none"),
    ],
)
def test_inconsistent_arm_switches_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({**MINIMAL, **changes}, "my.yaml")


def test_commits_of_the_hub_are_whole_and_left_out_if_there_are_none() -> None:
    assert "hub_commits" not in parse_config(MINIMAL, "test").model_dump(mode="json")
    commits = {"lab/tiny": "0123456789" * 4}
    config = parse_config({**MINIMAL, "hub_commits": commits}, "test")
    assert config.model_dump(mode="json")["hub_commits"] == commits
    for commit in ("main", "0123456", "0123456789" * 4 + "0", "0123456789ABCDEF" * 2 + "01234567"):
        with pytest.raises(ConfigError, match="hub_commits"):
            parse_config({**MINIMAL, "hub_commits": {"lab/tiny": commit}}, "test")


def test_rounds_are_left_out_of_dumps_while_they_are_off() -> None:
    """Runs without them keep the bytes of their revisions."""
    names = {"questions_per_update", "max_rounds", "tokens_per_update", "carry_over"}
    assert not names & set(parse_config(MINIMAL, "test").model_dump(mode="json"))
    values = {"questions_per_update": 16, "max_rounds": 3, "tokens_per_update": 9, "carry_over": False}
    config = parse_config({**MINIMAL, **values}, "test")
    assert {name: config.model_dump(mode="json")[name] for name in names} == values
    with pytest.raises(ConfigError, match="questions_per_update 16 is less than min_kept 17, so no iteration would"):
        parse_config({**MINIMAL, "questions_per_update": 16, "min_kept": 17}, "test")
