"""S3 servers for tests, on loopback: moto (a simulation) and Ceph's radosgw (a real server).

Moto checks that requests are right, and comes with the development packages. Only a real server shows what happens
when requests race each other; radosgw is the server that Debian packages.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "bucket"
ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"
REGION = "us-east-1"

RADOSGW_PROGRAMS = ("ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin")
RADOSGW_PACKAGES = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common"


@dataclass(frozen=True)
class S3Server:
    """A running server with one empty bucket, and the address and keys that a client needs."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    @property
    def uri(self) -> str:
        """Address of the bucket."""
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables from which s3fs, Polars, boto3 and PyArrow (for `s3://` addresses only) take address and keys."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            # Documented for plain http by Rust's object_store, which Polars reads with; Polars 2.1 works without it.
            "AWS_ALLOW_HTTP": "true",
            # Keeps a developer's settings out, and keeps clients from waiting for an address that only EC2 has.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Run moto's server in a separate process; its objects are in the memory of that process."""
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", BUCKET, ACCESS_KEY, SECRET_KEY)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.TemporaryDirectory(prefix="moto-") as folder, _process(command, Path(folder) / "moto.log") as moto:
        _make_bucket(server, moto)
        yield server


def radosgw_missing() -> str | None:
    """Return why `radosgw_server` cannot run here; None if it can."""
    missing = [program for program in RADOSGW_PROGRAMS if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed; on Debian: {RADOSGW_PACKAGES}" if missing else None


@contextmanager
def radosgw_server() -> Iterator[S3Server]:
    """Run the smallest Ceph that serves S3: one monitor, one OSD that keeps objects in memory, one radosgw.

    There is no manager daemon, so only statistics are missing. Three differences from AWS matter to tests: completing
    a multipart upload ignores conditions, an If-Match only works without the quotes of the ETag, and an upload without
    a Content-Length (PyArrow's over plain http) is refused.

    Raises RuntimeError if Ceph is not installed.
    """
    if reason := radosgw_missing():
        raise RuntimeError(reason)
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", BUCKET, ACCESS_KEY, SECRET_KEY)
    # The daemons' sockets are in this folder, and a socket's path has at most 107 characters: tmp_path is too long.
    with tempfile.TemporaryDirectory(prefix="ceph-") as name, ExitStack() as running:
        folder = Path(name)
        config = folder / "ceph.conf"
        fsid = str(uuid.uuid4())
        config.write_text(_ceph_config(folder, fsid, port))

        def start(program: str, *arguments: str) -> "Daemon":
            command = [program, "-c", str(config), "-f", *arguments]
            return running.enter_context(_process(command, folder / f"{program}.out"))

        def call(program: str, *arguments: str) -> None:
            _call([program, "-c", str(config), *arguments])

        (folder / "mon").mkdir()
        (folder / "osd").mkdir()
        call("ceph-mon", "--mkfs", "-i", "a", "--fsid", fsid)
        start("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        call("ceph", "--connect-timeout", "60", "osd", "new", osd)
        call("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
        start("ceph-osd", "-i", "0")
        call(
            "radosgw-admin", "user", "create", "--uid", "tester", "--display-name", "tester",
            "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY,
        )  # fmt: skip
        gateway = start("radosgw", "-n", "client.rgw")
        _make_bucket(server, gateway)
        yield server


def _ceph_config(folder: Path, fsid: str, port: int) -> str:
    monitor = f"[v2:127.0.0.1:{free_port()},v1:127.0.0.1:{free_port()}]"
    return f"""
[global]
fsid = {fsid}
mon_host = {monitor}
ms_bind_ipv4 = true
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# radosgw would insist on encryption, which needs keys.
ms_mon_client_mode = crc

mon_data = {folder}/mon
osd_data = {folder}/osd
run_dir = {folder}
crash_dir = {folder}
pid_file =
admin_socket =
log_file =
log_to_stderr = true
err_to_stderr = true
debug_rocksdb = 0

# One copy on one OSD; on a cluster that has to keep data, Ceph would warn of this or refuse it.
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_max_pg_per_osd = 1000

# Each new pool waits for the monitor's next round; rounds are a second apart by default, for clusters with many nodes.
paxos_propose_interval = 0.05

rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_enable_apis = s3
rgw_data = {folder}

[mon]
# With this address the monitor finds itself in mon_host; by default it skips loopback addresses.
public_addrv = {monitor}

[osd]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
"""


@dataclass(frozen=True)
class Daemon:
    """A started process and the file that takes its output."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise RuntimeError with the end of the output if the process has ended."""
        if (code := self.process.poll()) is not None:
            raise RuntimeError(f"{self.process.args!r} ended with {code}:\n{self.output()}")

    def output(self) -> str:
        """Return the last 4,000 characters of the output."""
        return self.log.read_text(errors="replace")[-4000:]


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[Daemon]:
    """Run a command and kill it on leaving; these servers hold nothing that needs an orderly end."""
    # If the system has setpriv, the servers of a killed test run are killed too.
    with_parent = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*with_parent, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield Daemon(process, log)
        finally:
            process.kill()
            process.wait()


def _call(command: Sequence[str]) -> None:
    """Run a command to its end; raise RuntimeError with the end of its output if it fails."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    if result.returncode != 0:
        output = result.stdout + result.stderr
        raise RuntimeError(f"{' '.join(command)} ended with {result.returncode}:\n{output[-4000:]}")


def _make_bucket(server: S3Server, daemon: Daemon, seconds: float = 600) -> None:
    """Create the bucket as soon as the server answers; raise RuntimeError after `seconds`."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=60),
    )
    deadline = time.monotonic() + seconds
    with closing(client):
        while True:
            daemon.check()
            try:
                client.create_bucket(Bucket=server.bucket)
                return
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"no bucket after {seconds} s:\n{daemon.output()}") from error
                time.sleep(0.1)


def free_port() -> int:
    """Return a port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
