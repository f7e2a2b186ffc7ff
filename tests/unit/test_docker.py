"""Container files, checked without a container: images, the compose services, the Kubernetes job template."""

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

from flows.orchestration.provision import HEARTBEAT_SECONDS
from flows.orchestration.server_checks import CPU_POOL, GPU_POOL
from tests.commands import HANG_SECONDS, REPOSITORY

DOCKER = REPOSITORY / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
COMPOSE = (DOCKER / "compose.yaml").read_text()
TEMPLATE = json.loads((REPOSITORY / "configs/kubernetes/gpu-job-template.json").read_text())
UID = 1000

every_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return (keyword, arguments) of each instruction, without comments and line breaks."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(keyword.upper(), " ".join(arguments.split())) for keyword, arguments in lines]


def arguments_of(file: Path, keyword: str) -> list[str]:
    """Return the arguments of each instruction with this keyword."""
    return [arguments for name, arguments in instructions(file) if name == keyword]


def is_pinned(image: str) -> bool:
    """Return whether the image's tag is a full version, which does not move to other software."""
    name, _, tag = image.rpartition(":")
    return bool(name) and re.match(r"\d+\.\d+", tag) is not None and "latest" not in tag


def services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file by name."""
    services = yaml.safe_load(COMPOSE)["services"]
    assert isinstance(services, dict)
    return services


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
def test_only_a_full_version_counts_as_pinned(image: str, pinned: bool) -> None:
    assert is_pinned(image) == pinned


@every_dockerfile
def test_images_start_from_a_version_and_run_without_root(file: Path) -> None:
    assert all(is_pinned(image) for image in arguments_of(file, "FROM"))
    users = arguments_of(file, "USER")
    assert users[-1] == f"{UID}:{UID}"  # a number, since Kubernetes asks whether it is root
    assert f"--uid {UID}" in " ".join(arguments_of(file, "RUN"))
    assert [keyword for keyword, _ in instructions(file)][-2:] == ["ENTRYPOINT", "CMD"]
    assert json.loads(arguments_of(file, "ENTRYPOINT")[-1]) == ["tini", "--"]
    assert json.loads(arguments_of(file, "CMD")[-1])[:5] == ["prefect", "worker", "start", "--pool", file.stem]


@every_dockerfile
def test_only_package_managers_fetch_and_no_cache_is_kept(file: Path) -> None:
    assert arguments_of(file, "ADD") == []
    runs = arguments_of(file, "RUN")
    assert not any(re.search(r"\b(curl|wget|git clone)\b|https?://", run) for run in runs)
    for run in runs:
        assert ("apt-get install" in run) == ("rm -rf /var/lib/apt/lists/*" in run)
        assert run.count("pip install") == run.count("pip install --no-cache-dir")
    packages = " ".join(runs).split("--no-install-recommends")[1].split("&&")[0].split()
    assert packages and all("=" in package for package in packages)


@every_dockerfile
def test_every_copied_path_exists_and_reaches_the_builder(file: Path) -> None:
    sent = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source
        for copy in arguments_of(file, "COPY")
        for source in [word for word in shlex.split(copy) if not word.startswith("--")][:-1]
    ]
    assert all((REPOSITORY / source).exists() for source in sources)
    assert all(source in sent for source in sources)
    packages = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {name.partition(".")[0] for name in packages} <= set(sources)


def test_the_builder_gets_the_copied_paths_and_no_more() -> None:
    first, *exceptions = [
        line for line in (REPOSITORY / ".dockerignore").read_text().split("\n") if line[:1] not in ("", "#")
    ]
    copied = {source for file in DOCKERFILES for copy in arguments_of(file, "COPY") for source in shlex.split(copy)}
    assert first == "*"
    assert all(line[1:] in copied for line in exceptions if line.startswith("!"))
    assert not any(fnmatch.fnmatch("docker/.env", line[1:]) for line in exceptions if line.startswith("!"))


@every_dockerfile
def test_a_change_of_code_does_not_reinstall_dependencies(file: Path) -> None:
    steps = instructions(file)
    install = next(index for index, (_, arguments) in enumerate(steps) if "--requirement" in arguments)
    assert "--constraint" in steps[install][1] and "constraints.txt" in steps[install][1]
    copied = {word for keyword, arguments in steps[:install] if keyword == "COPY" for word in arguments.split()}
    assert copied == {"pyproject.toml", "constraints.txt", "./"}
    assert any("--no-deps --editable ." in arguments for _, arguments in steps[install:])


@every_dockerfile
def test_the_requirements_are_those_of_the_package(file: Path, tmp_path: Path) -> None:
    """The test runs the line of Python that reads them from pyproject.toml as the builder does."""
    run = next(run for run in arguments_of(file, "RUN") if "tomllib" in run)
    program = shlex.split(run.split(">")[0])
    assert program[:2] == ["python", "-c"]
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    python = shutil.which("python3") or "python3"
    result = subprocess.run([python, *program[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["gpu"] if file.stem == "gpu" else []
    assert result.stdout.splitlines() == [*project["dependencies"], *extra]


@every_dockerfile
def test_an_image_knows_its_commit_and_needs_one(file: Path) -> None:
    steps = instructions(file)
    assert ("ARG", 'SERL_COMMIT=""') in steps
    after = steps[steps.index(("ARG", 'SERL_COMMIT=""')) :]
    assert not any("pip install" in arguments for _, arguments in after)  # a new commit changes no layer of packages
    (check,) = [arguments for keyword, arguments in after if keyword == "RUN"]
    for commit, code in (("", 1), ("1a2b3c4d", 0)):
        result = subprocess.run(["sh", "-c", check], env={**os.environ, "SERL_COMMIT": commit}, capture_output=True)
        assert result.returncode == code
    assert any("SERL_COMMIT=$SERL_COMMIT" in arguments for keyword, arguments in after if keyword == "ENV")
    labels = " ".join(arguments_of(file, "LABEL"))
    for name in ("title", "description", "licenses", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_the_gpu_image_drops_only_the_numpy_constraint() -> None:
    run = next(run for run in arguments_of(DOCKER / "gpu.Dockerfile", "RUN") if "sed " in run)
    (expression,) = re.findall(r"sed '([^']*)'", run)
    constraints = (REPOSITORY / "constraints.txt").read_text()
    kept = subprocess.run(["sed", expression], input=constraints, capture_output=True, text=True, check=True).stdout
    assert set(constraints.splitlines()) - set(kept.splitlines()) == set(re.findall(r"^numpy==.*$", constraints, re.M))


@pytest.fixture
def on_own_gpus(tmp_path: Path) -> Iterator[Any]:
    """A function that starts on_own_gpus.sh as one replica; a stand-in for nvidia-smi reports three GPUs."""
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


def _gpus(process: subprocess.Popen[str]) -> str:
    """Return the line that names the GPUs of a replica."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(2)][1]


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is of util-linux")
def test_replicas_share_no_gpu_and_free_theirs_when_killed(on_own_gpus: Any) -> None:
    first, second = on_own_gpus(1), on_own_gpus(2)
    assert {_gpus(first), _gpus(second)} in ({"got 0", "got 1,2"}, {"got 2", "got 0,1"}, {"got 1", "got 0,2"})
    third = on_own_gpus(1)
    assert "0 of 3 GPUs are free, expected 1" in third.communicate(timeout=HANG_SECONDS)[1]
    assert third.returncode == 1
    second.kill()
    second.wait()
    assert len(_gpus(on_own_gpus(2)).split(",")) == 2


def test_services_refer_to_existing_files_and_volumes() -> None:
    compose = yaml.safe_load(COMPOSE)
    for name, service in services().items():
        if "build" in service:
            build = service["build"]
            context = (DOCKER / build["context"]).resolve()
            assert context == REPOSITORY.resolve() and (context / build["dockerfile"]) in DOCKERFILES
            declared = {argument.partition("=")[0] for argument in arguments_of(context / build["dockerfile"], "ARG")}
            assert set(build["args"]) <= declared
            assert re.fullmatch(rf"serl-{Path(build['dockerfile']).stem}:\$\{{SERL_COMMIT:\?.+\}}", service["image"])
        else:
            assert is_pinned(service["image"]), name
        assert set(service.get("depends_on", {})) <= set(services())
        named = [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith("$")]
        assert set(named) <= set(compose["volumes"])
    used = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert set(compose["volumes"]) <= used


def test_the_services_conform_to_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run([*check, DOCKER / "compose.yaml"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_services_that_others_wait_for_have_a_health_check() -> None:
    for service in services().values():
        for name, dependency in service.get("depends_on", {}).items():
            condition = dependency["condition"]
            if condition == "service_healthy":
                assert "healthcheck" in services()[name]
            else:
                assert condition == "service_completed_successfully" and services()[name]["restart"] == "no"
    for name in ("postgres", "server", "s3"):
        assert services()[name]["healthcheck"]["test"][0] == "CMD"
    assert all("restart" in service and service["stop_grace_period"] == "30s" for service in services().values())


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_example_has_every_variable_and_no_secret() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+)(:\?|[^}]*)", re.sub(r"^\s*#.*$", "", COMPOSE, flags=re.MULTILINE)))
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (DOCKER / "example.env").read_text(), flags=re.MULTILINE))
    assert set(used) == set(example)
    assert {name for name, suffix in used.items() if not suffix.startswith(":?")} == {
        "PIP_EXTRA_INDEX_URL", "SERL_GPUS_PER_WORKER",
    }  # fmt: skip
    secret = re.compile("PASSWORD|SECRET|AUTH|KEY")
    assert all(not value for name, value in example.items() if secret.search(name))
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            assert not secret.search(name) or re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), name


def test_workers_serve_the_pools_and_send_no_telemetry() -> None:
    by_name = services()
    worker = ["prefect", "worker", "start", "--pool"]
    assert by_name["cpu"]["command"] == [*worker, CPU_POOL]
    assert by_name["gpu"]["command"][-7:] == [*worker, GPU_POOL, "--limit", "1"]
    for name in ("server", "setup", "cpu", "gpu"):
        environment = by_name[name]["environment"]
        assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false" and environment["DO_NOT_TRACK"] == "1"
    for name in ("cpu", "gpu"):
        assert by_name[name]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)
        assert by_name[name]["environment"]["PREFECT_WORKER_QUERY_SECONDS"] == "2"
        (cache,) = re.findall(r"SERL_CACHE=(\S+)", " ".join(arguments_of(DOCKER / f"{name}.Dockerfile", "ENV")))
        assert any(cache.startswith(f"{volume.split(':')[1]}/") for volume in by_name[name]["volumes"])
    assert "-master.telemetry=false" in by_name["s3"]["command"]
    assert by_name["gpu"]["profiles"] == ["gpu"]
    (device,) = by_name["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_the_templates_variables_are_its_placeholders() -> None:
    placeholders = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", json.dumps(TEMPLATE["job_configuration"])))
    assert placeholders == set(TEMPLATE["variables"]["properties"])


def test_the_variables_are_a_schema_that_fits_the_defaults() -> None:
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
    """Replace placeholders as Prefect does: a text that is a single placeholder becomes the value of the variable."""
    if isinstance(value, dict):
        return {key: filled_in(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_in(inner, variables) for inner in value]
    if isinstance(value, str) and (placeholder := re.fullmatch(r"\{\{ (\w+) \}\}", value)):
        return variables[placeholder[1]]
    return (
        re.sub(r"\{\{ (\w+) \}\}", lambda match: str(variables[match[1]]), value) if isinstance(value, str) else value
    )


def test_the_job_is_valid_for_kubernetes() -> None:
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
    # The flow run itself resumes after a loss; a second pod would run next to it.
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
    # Prefect's worker turns the environment into a list before it creates the job.
    container["env"] = [{"name": name, "value": value} for name, value in container["env"].items()]
    kubernetes_validate.validate(_without_none(job), "1.31", strict=True)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(inner) for name, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def test_no_file_names_a_host_of_packages() -> None:
    files = [*DOCKERFILES, DOCKER / "compose.yaml", DOCKER / "example.env"]
    text = "\n".join(file.read_text() for file in files) + json.dumps(TEMPLATE)
    assert not re.search(r"pypi|pythonhosted|download\.pytorch|deb\.debian", text)
