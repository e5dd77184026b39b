"""The environment of a checkout, made on first use with the standard library alone, and the step into it.

Old Pythons read this file too: it parses and starts on 3.6. What is slow to import is imported where it is needed.
The environment is a venv in `.venv` or ROUTER_VENV; a marker file in it says that it is ours and which lock fills it.
"""
# ruff: noqa: PLC0415

import errno
import os
import sys

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from urllib.request import Request

OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")  # tested versions first

PACKAGE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(PACKAGE)
DISTRIBUTION = "llm-router"
RUN_LOCK = "requirements.txt"
TEST_LOCK = "requirements-test.txt"  # holds all of RUN_LOCK

MARKER = "router-environment.txt"
GUARD = ".router-setup.lock"
ARRIVED = "ROUTER_BOOTSTRAP_PID"  # exec keeps the process id: set to it, this tells "you come from me" without a loop

DEFAULT_INDEX = "https://%s.org/simple" % "pypi"  # pip knows it by itself; needed where pip has to be fetched first
PIP_WHEEL = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
FETCH_TIMEOUT_S = 30

NO_ROOM = "the disk is full: free 300 MB, or set ROUTER_VENV to a folder on another disk"
NOT_WRITABLE = "the environment's folder can't be written: set ROUTER_VENV to one that can, such as ~/.cache/llm-router"
UNTRUSTED = (
    "the package index's certificate isn't trusted here: install ca-certificates, or name a CA file in SSL_CERT_FILE"
)
UNREACHABLE = (
    "the package index can't be reached: check the network, or set HTTPS_PROXY, or PIP_INDEX_URL to a nearer index"
)
WRONG_HASH = "a package from the index isn't the one that router's lock names (its hash differs): check PIP_INDEX_URL"

# What installers print -> what the user can do; the first that matches.
CAUSES = (
    (r"do not match the hashes|hash mismatch", WRONG_HASH),
    (r"no space left|disk quota exceeded", NO_ROOM),
    (r"read-only file system|permission denied", NOT_WRITABLE),
    (r"certificate.?verify.?failed|no_certificate|ca certificate|invalid peer certificate|unknownissuer", UNTRUSTED),
    (
        r"newconnectionerror|connection (refused|reset|broken)|name resolution|name or service not known|dns error"
        r"|timed out|tcp connect|error sending request|network is unreachable|proxyerror|max retries exceeded",
        UNREACHABLE,
    ),
)


class SetupError(Exception):
    """One sentence: why there is no environment, and what the user can do."""


def enter() -> None:
    """Return once this process runs with the packages of the lock; elsewhere re-execute it in the environment.

    Ends the process with one sentence and exit code 1 when there can't be one, with 130 on Ctrl-C.
    """
    try:
        find_way_in()
    except KeyboardInterrupt:
        sys.exit(130)
    except SetupError as error:
        sys.exit(f"router: {error}")
    except OSError as error:
        sys.exit(f"router: {advice(error)}")


def find_way_in() -> None:
    arrived = os.environ.pop(ARRIVED, "") == str(os.getpid())
    folder = environment_folder()
    if sys.version_info < OLDEST and arrived:
        has = f"{short(folder)} holds Python {dotted(sys.version_info[:2])} and {dotted(OLDEST)} is needed"
        raise SetupError(f"{has}: move it, or set ROUTER_VENV to another folder")
    if sys.version_info < OLDEST:
        run_newer_python()
    if not os.path.isfile(os.path.join(CHECKOUT, "pyproject.toml")):
        return  # installed, or copied into an image: whoever did that saw to the packages
    lock = TEST_LOCK if verb(sys.argv[1:]) == "test" else RUN_LOCK
    if os.path.realpath(sys.prefix) == os.path.realpath(folder):
        if is_fresh(folder, lock) or (read_marker(folder) is None and holds(lock)):
            return
        fill(folder, lock)
    elif arrived:
        raise SetupError(f"{short(folder)} doesn't run as an environment: unset PYTHONHOME, or move it away")
    elif holds(lock):
        return
    elif not is_environment(folder):
        make(folder)
    step_into(folder)


def environment_folder() -> str:
    chosen = os.environ.get("ROUTER_VENV")
    return os.path.abspath(os.path.expanduser(chosen)) if chosen else os.path.join(CHECKOUT, ".venv")


def verb(arguments: "list[str]") -> str:
    """The first argument that is neither an option nor the value of --config."""
    previous = ""
    for argument in arguments:
        if not argument.startswith("-") and previous != "--config":
            return argument
        previous = argument
    return ""


def step_into(folder: str) -> None:
    """Run this very command line with the environment's Python: same options, working directory and module path."""
    os.environ[ARRIVED] = str(os.getpid())
    python = os.path.join(folder, "bin", "python")
    os.execv(python, [python, *sys.orig_argv[1:]])


# Python itself


def run_newer_python() -> None:
    """Run the same command with the first Python on PATH that is new enough. Raises SetupError when there is none."""
    import shutil

    for name in NEWER:
        python = shutil.which(name)
        if python and works([python, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST})"]):
            os.execv(python, [python, "-m", "router", *sys.argv[1:]])
    raise SetupError(too_old(tuple(sys.version_info[:3])))


def too_old(version: "tuple[int, ...]") -> str:
    oldest = dotted(OLDEST)
    return (
        f"Python {oldest} or newer is needed and this is {dotted(version)}: install it and run python{oldest} -m router"
    )


def dotted(version: "tuple[int, ...]") -> str:
    return ".".join(str(part) for part in version)


def works(command: "list[str]") -> bool:
    """Whether a program on PATH runs: version managers leave stubs there that only print an error."""
    import subprocess

    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


# What is there


def is_environment(folder: str) -> bool:
    python = os.path.join(folder, "bin", "python")
    return os.path.isfile(os.path.join(folder, "pyvenv.cfg")) and os.access(python, os.X_OK)


def is_fresh(folder: str, lock: str) -> bool:
    """Whether the environment was filled from this lock, or the larger one, for the Python that runs now."""
    stamps = read_marker(folder) or {}
    return any(name in stamps and stamps[name] == fingerprint(name) for name in {lock, TEST_LOCK})


def fingerprint(lock: str) -> str:
    import hashlib

    with open(os.path.join(PACKAGE, lock), "rb") as file:
        return f"{hashlib.sha256(file.read()).hexdigest()} {dotted(sys.version_info[:2])}"


def read_marker(folder: str) -> "dict[str, str] | None":
    """`made` (by us, not by the user) and a fingerprint for each lock that is installed; None in a foreign folder."""
    try:
        with open(os.path.join(folder, MARKER)) as file:
            return dict(line.rstrip("\n").split(" ", 1) for line in file)
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_marker(folder: str, stamps: "dict[str, str]") -> None:
    path = os.path.join(folder, MARKER)
    with open(path + ".new", "w") as file:
        file.writelines(f"{name} {stamp}\n" for name, stamp in stamps.items())
    os.replace(path + ".new", path)


def holds(lock: str) -> bool:
    """Whether the running Python has router installed by somebody, or every package at the version of the lock."""
    found = set(installed())
    return any(pin.startswith(DISTRIBUTION + "==") for pin in found) or found.issuperset(pins(lock))


def installed() -> "list[str]":
    """What the folders of sys.path hold, as name==version; read off the folder names, since metadata is slow."""
    names = [
        entry[: -len(".dist-info")].rpartition("-")
        for place in sys.path
        if os.path.isdir(place)
        for entry in os.listdir(place)
        if entry.endswith(".dist-info")
    ]
    return [f"{name.lower().replace('_', '-').replace('.', '-')}=={version}" for name, _, version in names]


def pins(lock: str) -> "list[str]":
    """name==version of a lock's packages, without those that only some platforms need."""
    with open(os.path.join(PACKAGE, lock)) as file:
        return [line.split()[0] for line in file if "==" in line and line[0].isalnum() and ";" not in line]


# Making it


def make(folder: str) -> None:
    """An empty environment. What somebody else left in the folder is never touched."""
    if os.path.isdir(folder) and read_marker(folder) is None and set(os.listdir(folder)) - {GUARD}:
        raise SetupError(
            f"{short(folder)} is in the way and no working environment: move it, or set ROUTER_VENV to another folder"
        )
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, GUARD), "w") as guard:
        wait_for(guard.fileno(), folder)
        if not is_environment(folder):
            write_marker(folder, {"made": dotted(sys.version_info[:2])})
            create(folder)


def create(folder: str) -> None:
    import shutil

    try:
        import venv
    except ImportError:
        raise SetupError("this Python has no venv module: install it (Debian: apt install python3-venv)") from None
    shutil.rmtree(os.path.join(folder, "bin"), ignore_errors=True)  # venv keeps links that lead nowhere
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)


def fill(folder: str, lock: str) -> None:
    """Install the lock into the environment that runs now. One that was interrupted in the middle starts afresh."""
    with open(os.path.join(folder, GUARD), "w") as guard:
        wait_for(guard.fileno(), folder)
        if is_fresh(folder, lock):
            return
        say(f"Setting up the environment in {short(folder)} (once, about 10 s) ...")
        marker = read_marker(folder)
        made = {name: value for name, value in (marker or {}).items() if name == "made"}
        unfinished = marker is not None and marker == made
        write_marker(folder, made)
        if unfinished and made:
            empty(site_packages())
        install(lock, guard.fileno(), again=unfinished and not made)
        write_marker(folder, dict(made, **{lock: fingerprint(lock)}))


def wait_for(guard: int, folder: str) -> None:
    import fcntl

    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"Waiting for another router that sets up {short(folder)} ...")
        fcntl.flock(guard, fcntl.LOCK_EX)


def site_packages() -> str:
    import sysconfig

    return sysconfig.get_path("purelib")


def empty(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)


def install(lock: str, guard: int, again: bool) -> None:
    """Run uv or pip. `again` replaces packages that are there already."""
    import shutil
    import subprocess

    uv = shutil.which("uv")
    if uv and works([uv, "--version"]):
        command = [uv, "pip", "install", "--python", sys.executable, *(["--reinstall"] if again else [])]
    else:
        bring_pip()
        command = [sys.executable, "-I", "-m", "pip", "install", "--no-user", "--no-input", "--progress-bar=off"]
        command += ["--disable-pip-version-check", *(["--force-reinstall"] if again else [])]
    done = subprocess.run(
        [*command, "--quiet", "--require-hashes", "-r", os.path.join(PACKAGE, lock)],
        env=installer_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(guard,),  # an installer that outlives us keeps the next one waiting
        check=False,
    )
    if done.returncode:
        raise SetupError(explain(done.stdout.decode("utf-8", "replace")))


def installer_environment() -> "dict[str, str]":
    """Ours, with what is configured for pip told to uv as well and the other way round; where to install is fixed."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PIP_TARGET", "PIP_PREFIX"}}
    environment.setdefault("PIP_RETRIES", "2")
    index, authority = index_url(), ca_file()
    if index:
        environment.setdefault("PIP_INDEX_URL", index)
        if "UV_INDEX_URL" not in environment:
            environment.setdefault("UV_DEFAULT_INDEX", index)
    if authority:
        environment.setdefault("PIP_CERT", authority)
        environment.setdefault("SSL_CERT_FILE", authority)
    return environment


# Bringing pip, where nothing else does


def bring_pip() -> None:
    """pip in the running environment: there already, by ensurepip, or its own wheel from the package index."""
    import glob
    import importlib.util
    import io
    import zipfile

    target = site_packages()
    if glob.glob(os.path.join(glob.escape(target), "pip-*.dist-info", "RECORD")):
        return
    if importlib.util.find_spec("ensurepip") and works([sys.executable, "-I", "-m", "ensurepip"]):
        return  # Debian splits it off into python3-venv
    wheel = fetch_wheel(index_url() or DEFAULT_INDEX, PIP_WHEEL, PIP_SHA256)
    zipfile.ZipFile(io.BytesIO(wheel)).extractall(target)  # pure Python: unpacked is installed


def fetch_wheel(index: str, wheel: str, sha256: str) -> bytes:
    """A wheel's bytes from a simple index (PEP 503). Raises SetupError."""
    import hashlib
    import html
    import re
    from urllib.parse import urljoin

    listing = "index.html" if index.startswith("file:") else ""
    page, address = get(f"{index.rstrip('/')}/{wheel.split('-', 1)[0]}/{listing}")
    link = re.search(rf"""href=["']([^"']*{re.escape(wheel)}[^"']*)["']""", page.decode("utf-8", "replace"))
    if not link:
        raise SetupError(f"{without_password(index)} has no {wheel}: install python3-venv or uv first")
    content, _ = get(urljoin(address, html.unescape(link.group(1))))
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SetupError(WRONG_HASH)
    return content


def get(url: str) -> "tuple[bytes, str]":
    """The content of a URL and the address that it came from in the end. Raises SetupError."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    try:
        context = ssl.create_default_context(cafile=ca_file())
    except OSError:
        raise SetupError(UNTRUSTED) from None
    try:
        with urllib.request.urlopen(request_for(url), timeout=FETCH_TIMEOUT_S, context=context) as answer:
            return answer.read(), answer.url
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"the package index answers {error.code} to {without_password(url)}"
        raise SetupError(f"{answer}: check PIP_INDEX_URL") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        untrusted = isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)
        raise SetupError(UNTRUSTED if untrusted else UNREACHABLE) from None


def request_for(url: str) -> "Request":
    """A GET; user and password of the URL move to the header where HTTP wants them."""
    import base64
    from urllib.parse import unquote, urlsplit
    from urllib.request import Request

    user, _, _ = urlsplit(url).netloc.rpartition("@")
    request = Request(without_password(url))
    if user:
        secret = base64.b64encode(unquote(user).encode()).decode()
        request.add_header("Authorization", "Basic " + secret)
    return request


def without_password(url: str) -> str:
    import re

    return re.sub(r"//[^/]*@", "//", url)


# What the user configured


def index_url() -> "str | None":
    return pip_option("index-url") or os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")


def ca_file() -> "str | None":
    return pip_option("cert") or os.environ.get("SSL_CERT_FILE")


def pip_option(name: str) -> "str | None":
    """An option of pip from the environment or its configuration files, as pip would read it."""
    import configparser

    chosen = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if chosen:
        return chosen
    parser = configparser.RawConfigParser()
    try:
        parser.read(pip_files(), encoding="utf-8")
    except configparser.Error as error:
        raise SetupError(f"pip's configuration can't be read: {str(error).splitlines()[0]}") from None
    return parser.get("install", name, fallback=None) or parser.get("global", name, fallback=None)


def pip_files() -> "list[str]":
    """pip's configuration files, the weakest first."""
    chosen = os.environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    own = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    folders = [os.path.join(folder, "pip") for folder in reversed(shared.split(os.pathsep))]
    folders += ["/etc", "~/.pip", os.path.join(own, "pip"), sys.prefix]
    return [os.path.expanduser(os.path.join(folder, "pip.conf")) for folder in folders] + [chosen]


# Telling the user


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def short(path: str) -> str:
    """The path as seen from the working directory where it lies below it."""
    here = os.path.join(os.getcwd(), "")
    return path[len(here) :] if path.startswith(here) else path


def explain(output: str) -> str:
    """An installer's output as one sentence: what to do about it, else its last useful line."""
    import re

    for pattern, sentence in CAUSES:
        if re.search(pattern, output, re.IGNORECASE):
            return sentence
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"error:|\u00d7", line, re.IGNORECASE)]
    return f"the packages can't be installed: {(errors or lines or ['the installer said nothing'])[-1]}"


def advice(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NO_ROOM
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return NOT_WRITABLE
    where, why = short(environment_folder()), error.strerror or error
    return f"the environment in {where} can't be set up ({why}): set ROUTER_VENV to another folder"
