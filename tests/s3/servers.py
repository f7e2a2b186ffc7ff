"""S3 servers for tests, on loopback: moto (a simulation) and Ceph's radosgw (a real server).

Moto checks that requests are right, and is there wherever the development packages are. What a server does when
requests race each other is only seen on a real one: radosgw is the one that Debian packages.
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
    """A running server with one empty bucket, and what a client needs to reach it."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which s3fs, Polars, boto3 and PyArrow (for `s3://` addresses only) find the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            # Rust's object_store, which Polars reads by, documents it for plain http; Polars 2.1 gets by without.
            "AWS_ALLOW_HTTP": "true",
            # A developer's own settings never enter, and no client waits for an address that only EC2 machines have.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """Moto's server in a process of its own; its objects lie in that process and go with it."""
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", BUCKET, ACCESS_KEY, SECRET_KEY)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with tempfile.TemporaryDirectory(prefix="moto-") as folder, _process(command, Path(folder) / "moto.log") as moto:
        _make_bucket(server, moto)
        yield server


def radosgw_missing() -> str | None:
    """Why `radosgw_server` cannot run here; None where it can."""
    missing = [program for program in RADOSGW_PROGRAMS if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed; on Debian: {RADOSGW_PACKAGES}" if missing else None


@contextmanager
def radosgw_server() -> Iterator[S3Server]:
    """The smallest Ceph that serves S3: one monitor, one OSD that keeps objects in memory, one radosgw.

    It has no manager daemon: only statistics are missing without one. It differs from AWS in three ways that tests
    meet: completing a multipart upload ignores conditions, an If-Match is only right without the ETag's quotes, and an
    upload without a Content-Length (PyArrow's over plain http) is refused.
    """
    if reason := radosgw_missing():
        raise RuntimeError(reason)
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", BUCKET, ACCESS_KEY, SECRET_KEY)
    # The daemons' sockets lie here, and a socket's path has 107 characters at most: not under pytest's long tmp_path.
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

# One copy on one OSD: what Ceph would warn of, or refuse, on a cluster that is to keep data.
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
# By its address the monitor finds itself in mon_host; left to itself it passes loopback over.
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
        """Raise with the end of its output if it has ended."""
        if (code := self.process.poll()) is not None:
            raise RuntimeError(f"{self.process.args!r} ended with {code}:\n{self.output()}")

    def output(self) -> str:
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-4000:]


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[Daemon]:
    """A running command, killed on leaving: nothing that these servers hold is worth an orderly end."""
    # Where the system can do it, a killed test run takes its servers along.
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
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")


def _make_bucket(server: S3Server, daemon: Daemon, seconds: float = 600) -> None:
    """Create the bucket as soon as the server answers."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=60),
    )
    end = time.monotonic() + seconds
    with closing(client):
        while True:
            daemon.check()
            try:
                client.create_bucket(Bucket=server.bucket)
                return
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"no bucket after {seconds} s:\n{daemon.output()}") from error
                time.sleep(0.1)


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
