"""The container side, as far as its files alone can tell: images, the compose set-up, the Kubernetes job template."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from flows.orchestration.prefect_server import CPU_POOL, GPU_POOL
from flows.orchestration.provision import HEARTBEAT_SECONDS
from tests.commands import HANG_SECONDS, REPOSITORY

DOCKER = REPOSITORY / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
COMPOSE = (DOCKER / "compose.yaml").read_text()
TEMPLATE = json.loads((REPOSITORY / "configs/kubernetes/gpu-job-template.json").read_text())
UID = 1000

every_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Keyword and arguments of each instruction; comments and line ends are taken out."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(keyword.upper(), " ".join(rest.split())) for keyword, rest in lines]


def of(file: Path, keyword: str) -> list[str]:
    return [rest for found, rest in instructions(file) if found == keyword]


def is_pinned(image: str) -> bool:
    """Whether the tag names a version down to its last number: one that nobody moves on to other software."""
    name, _, tag = image.rpartition(":")
    return bool(name) and re.match(r"\d+\.\d+", tag) is not None and "latest" not in tag


def services() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load(COMPOSE)["services"]
    assert isinstance(found, dict)
    return found


def test_both_images_are_described() -> None:
    assert [file.name for file in DOCKERFILES] == ["cpu.Dockerfile", "gpu.Dockerfile"]
    assert not (DOCKER / "__init__.py").exists()  # Prefect imports the package `docker`


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("python:3.12.13-slim", True), ("ghcr.io/some/image:4.48", True), ("python", False), ("python:3", False),
        ("python:latest", False), ("python:slim", False), ("localhost:5000/python", False),
    ],
)  # fmt: skip
def test_what_counts_as_pinned(image: str, pinned: bool) -> None:
    assert is_pinned(image) == pinned


@every_dockerfile
def test_images_start_from_a_version_and_end_as_nobody_special(file: Path) -> None:
    assert all(is_pinned(image) for image in of(file, "FROM"))
    users = of(file, "USER")
    assert users[-1] == f"{UID}:{UID}"  # a number, since Kubernetes asks whether it is root
    assert f"--uid {UID}" in " ".join(of(file, "RUN"))
    assert [keyword for keyword, _ in instructions(file)][-2:] == ["ENTRYPOINT", "CMD"]
    assert json.loads(of(file, "ENTRYPOINT")[-1]) == ["tini", "--"]
    assert json.loads(of(file, "CMD")[-1])[:5] == ["prefect", "worker", "start", "--pool", file.stem]


@every_dockerfile
def test_nothing_is_fetched_past_the_package_managers_nor_kept(file: Path) -> None:
    assert of(file, "ADD") == []
    runs = of(file, "RUN")
    assert not any(re.search(r"\b(curl|wget|git clone)\b|https?://", run) for run in runs)
    for run in runs:
        assert ("apt-get install" in run) == ("rm -rf /var/lib/apt/lists/*" in run)
        assert run.count("pip install") == run.count("pip install --no-cache-dir")
    packages = " ".join(runs).split("--no-install-recommends")[1].split("&&")[0].split()
    assert packages and all("=" in package for package in packages)


@every_dockerfile
def test_all_that_is_copied_exists_and_reaches_the_builder(file: Path) -> None:
    kept = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source
        for copy in of(file, "COPY")
        for source in [word for word in shlex.split(copy) if not word.startswith("--")][:-1]
    ]
    assert all((REPOSITORY / source).exists() for source in sources)
    assert all(source in kept for source in sources)
    packages = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {name.partition(".")[0] for name in packages} <= set(sources)


def test_the_builder_gets_what_is_copied_and_no_more() -> None:
    first, *others = [
        line for line in (REPOSITORY / ".dockerignore").read_text().split("\n") if line[:1] not in ("", "#")
    ]
    copied = {source for file in DOCKERFILES for copy in of(file, "COPY") for source in shlex.split(copy)}
    assert first == "*"
    assert all(line[1:] in copied for line in others if line.startswith("!"))
    assert not any(fnmatch.fnmatch("docker/.env", line[1:]) for line in others if line.startswith("!"))


@every_dockerfile
def test_a_change_of_code_installs_no_dependency_anew(file: Path) -> None:
    rest = [rest for _, rest in instructions(file)]
    installed = next(index for index, words in enumerate(rest) if "--requirement" in words)
    assert "--constraint" in rest[installed] and "constraints.txt" in rest[installed]
    before = {word for keyword, words in instructions(file)[:installed] if keyword == "COPY" for word in words.split()}
    assert before == {"pyproject.toml", "constraints.txt", "./"}
    assert any("--no-deps --editable ." in words for words in rest[installed:])


@every_dockerfile
def test_the_requirements_are_those_of_the_package(file: Path, tmp_path: Path) -> None:
    """The line of Python that reads them out of pyproject.toml, run as the builder runs it."""
    run = next(run for run in of(file, "RUN") if "tomllib" in run)
    program = shlex.split(run.split(">")[0])
    assert program[:2] == ["python", "-c"]
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    python = shutil.which("python3") or "python3"
    done = subprocess.run([python, *program[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["gpu"] if file.stem == "gpu" else []
    assert done.stdout.splitlines() == [*project["dependencies"], *extra]


@every_dockerfile
def test_an_image_knows_its_commit_and_none_is_made_without(file: Path) -> None:
    found = instructions(file)
    assert ("ARG", 'SERL_COMMIT=""') in found
    after = found[found.index(("ARG", 'SERL_COMMIT=""')) :]
    assert not any("pip install" in rest for _, rest in after)  # a new commit alone changes no layer of packages
    (check,) = [rest for keyword, rest in after if keyword == "RUN"]
    for commit, code in (("", 1), ("1a2b3c4d", 0)):
        done = subprocess.run(["sh", "-c", check], env={**os.environ, "SERL_COMMIT": commit}, capture_output=True)
        assert done.returncode == code
    assert any("SERL_COMMIT=$SERL_COMMIT" in rest for keyword, rest in after if keyword == "ENV")
    labels = " ".join(of(file, "LABEL"))
    for name in ("title", "description", "licenses", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_the_gpu_image_has_the_constraints_that_vllm_leaves() -> None:
    run = next(run for run in of(DOCKER / "gpu.Dockerfile", "RUN") if "sed " in run)
    (expression,) = re.findall(r"sed '([^']*)'", run)
    constraints = (REPOSITORY / "constraints.txt").read_text()
    left = subprocess.run(["sed", expression], input=constraints, capture_output=True, text=True, check=True).stdout
    assert set(constraints.splitlines()) - set(left.splitlines()) == set(re.findall(r"^numpy==.*$", constraints, re.M))


@pytest.fixture
def on_own_gpus(tmp_path: Path) -> Iterator[Any]:
    """Starts the script of that name as a replica on a machine with three GPUs, whose numbers a stand-in tells."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n'\n")
    smi.chmod(0o755)
    (tmp_path / "locks").mkdir()
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SERL_GPU_LOCKS": str(tmp_path / "locks")}
    started: list[subprocess.Popen[str]] = []

    def start(count: int) -> subprocess.Popen[str]:
        command = [str(DOCKER / "on_own_gpus.sh"), str(count), "sh", "-c", "echo got $CUDA_VISIBLE_DEVICES; exec cat"]
        process = subprocess.Popen(
            command, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _got(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(2)][1]


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is of util-linux")
def test_replicas_get_gpus_of_their_own_and_leave_them_when_killed(on_own_gpus: Any) -> None:
    first, second = on_own_gpus(1), on_own_gpus(2)
    assert {_got(first), _got(second)} in ({"got 0", "got 1,2"}, {"got 2", "got 0,1"}, {"got 1", "got 0,2"})
    third = on_own_gpus(1)
    assert "0 of 3 GPUs are free, expected 1" in third.communicate(timeout=HANG_SECONDS)[1]
    assert third.returncode == 1
    second.kill()
    second.wait()
    assert len(_got(on_own_gpus(2)).split(",")) == 2


def test_services_are_made_of_what_is_there() -> None:
    compose = yaml.safe_load(COMPOSE)
    for name, service in services().items():
        if "build" in service:
            build = service["build"]
            context = (DOCKER / build["context"]).resolve()
            assert context == REPOSITORY.resolve() and (context / build["dockerfile"]) in DOCKERFILES
            declared = {argument.partition("=")[0] for argument in of(context / build["dockerfile"], "ARG")}
            assert set(build["args"]) <= declared
            assert re.fullmatch(rf"serl-{Path(build['dockerfile']).stem}:\$\{{SERL_COMMIT:\?.+\}}", service["image"])
        else:
            assert is_pinned(service["image"]), name
        assert set(service.get("depends_on", {})) <= set(services())
        named = [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith("$")]
        assert set(named) <= set(compose["volumes"])
    used = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert set(compose["volumes"]) <= used


def test_the_services_are_what_the_compose_specification_takes() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, DOCKER / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_waits_for_health_can_see_it() -> None:
    for service in services().values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services()[other]
            else:
                assert how["condition"] == "service_completed_successfully" and services()[other]["restart"] == "no"
    for name in ("postgres", "server", "s3"):
        assert services()[name]["healthcheck"]["test"][0] == "CMD"
    assert all("restart" in service and service["stop_grace_period"] == "30s" for service in services().values())


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_every_variable_is_explained_in_the_example_and_none_has_a_secret() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+)(:\?|[^}]*)", re.sub(r"^\s*#.*$", "", COMPOSE, flags=re.MULTILINE)))
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DOCKER / "example.env").read_text(), flags=re.MULTILINE))
    assert set(used) == set(example)
    assert {name for name, rest in used.items() if not rest.startswith(":?")} == {
        "PIP_EXTRA_INDEX_URL", "SERL_GPUS_PER_WORKER",
    }  # fmt: skip
    secret = re.compile("PASSWORD|SECRET|AUTH|KEY")
    assert all(not value for name, value in example.items() if secret.search(name))
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            assert not secret.search(name) or re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), name


def test_workers_take_from_the_pools_and_tell_nobody_else() -> None:
    found = services()
    worker = ["prefect", "worker", "start", "--pool"]
    assert found["cpu"]["command"] == [*worker, CPU_POOL]
    assert found["gpu"]["command"][-7:] == [*worker, GPU_POOL, "--limit", "1"]
    for name in ("server", "setup", "cpu", "gpu"):
        environment = found[name]["environment"]
        assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false" and environment["DO_NOT_TRACK"] == "1"
    for name in ("cpu", "gpu"):
        assert found[name]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)
        assert found[name]["environment"]["PREFECT_WORKER_QUERY_SECONDS"] == "2"
        (cache,) = re.findall(r"SERL_CACHE=(\S+)", " ".join(of(DOCKER / f"{name}.Dockerfile", "ENV")))
        assert any(cache.startswith(f"{volume.split(':')[1]}/") for volume in found[name]["volumes"])
    assert "-master.telemetry=false" in found["s3"]["command"]
    assert found["gpu"]["profiles"] == ["gpu"]
    (device,) = found["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_the_template_has_a_variable_for_every_placeholder_and_no_other() -> None:
    placeholders = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", json.dumps(TEMPLATE["job_configuration"])))
    assert placeholders == set(TEMPLATE["variables"]["properties"])


def test_the_variables_are_a_schema_that_takes_its_own_defaults() -> None:
    schema = TEMPLATE["variables"]
    jsonschema.Draft202012Validator.check_schema(schema)
    properties = schema["properties"]
    assert all(value.get("title") and value.get("description") for value in properties.values())
    defaults = {name: value["default"] for name, value in properties.items() if "default" in value}
    with pytest.raises(jsonschema.ValidationError, match="'image' is a required property"):
        jsonschema.validate(defaults, schema)
    jsonschema.validate({**defaults, "image": "registry.example.org/serl-gpu:1a2b3c4d", "gpus": 8}, schema)
    for wrong in ({"gpus": "8"}, {"gpus": 0}, {"node_selector": {"gpu": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**defaults, "image": "serl-gpu:1", **wrong}, schema)


def filled_in(value: Any, variables: dict[str, Any]) -> Any:
    """`value` as Prefect fills it in: a text that is nothing but a placeholder becomes what the variable holds."""
    if isinstance(value, dict):
        return {key: filled_in(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_in(inner, variables) for inner in value]
    if isinstance(value, str) and (whole := re.fullmatch(r"\{\{ (\w+) \}\}", value)):
        return variables[whole[1]]
    return (
        re.sub(r"\{\{ (\w+) \}\}", lambda found: str(variables[found[1]]), value) if isinstance(value, str) else value
    )


def test_the_job_is_one_that_kubernetes_takes() -> None:
    properties = TEMPLATE["variables"]["properties"]
    variables = {name: value.get("default") for name, value in properties.items()}
    variables |= {
        "image": "serl-gpu:1",
        "name": "run",
        "labels": {},
        "annotations": {},
        "command": ["prefect"],
        "gpus": 2,
    }
    job = filled_in(TEMPLATE["job_configuration"]["job_manifest"], variables)
    assert (job["apiVersion"], job["kind"], job["metadata"]["generateName"]) == ("batch/v1", "Job", "run-")
    # The flow run itself knows what is lost and goes on: a second pod would be in its way.
    assert job["spec"]["backoffLimit"] == 0 and job["spec"]["ttlSecondsAfterFinished"] > 0
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never" and pod["terminationGracePeriodSeconds"] == 30
    security = pod["securityContext"]
    assert security["runAsNonRoot"] and security["runAsUser"] == security["fsGroup"] == UID
    (container,) = pod["containers"]
    assert container["name"] == "prefect-job"  # Prefect looks for it
    assert container["image"] == "serl-gpu:1" and container["args"] == ["prefect"]
    assert "command" not in container  # it would take the place of tini
    assert (
        container["resources"]["limits"]["nvidia.com/gpu"] == container["resources"]["requests"]["nvidia.com/gpu"] == 2
    )
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    (shm,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == "/dev/shm"]
    assert volumes[shm["name"]]["emptyDir"]["medium"] == "Memory"
    environment = variables["env"]
    assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)
    assert environment["DO_NOT_TRACK"] == "1"
    assert container["envFrom"] == [{"secretRef": {"name": "serl"}}]
    # Prefect's worker makes a list of the environment before it asks for the job.
    container["env"] = [{"name": name, "value": value} for name, value in container["env"].items()]
    kubernetes_validate.validate(_without_none(job), "1.31", strict=True)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(found) for name, found in value.items() if found is not None}
    return [_without_none(found) for found in value] if isinstance(value, list) else value


def test_nothing_names_a_host_of_packages() -> None:
    files = [*DOCKERFILES, DOCKER / "compose.yaml", DOCKER / "example.env"]
    text = "\n".join(file.read_text() for file in files) + json.dumps(TEMPLATE)
    assert not re.search(r"pypi|pythonhosted|download\.pytorch|deb\.debian", text)
