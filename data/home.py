"""Where this installation keeps its things, and which settings are in force.

In: environment variables and the `[settings]` table of `tamiz.toml` in the current folder, in that order of
precedence; then defaults. Out: frozen values, each setting with the place it came from. An empty variable counts
as unset. Nothing is created until `Home.create()` is called.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.errors import BadUsage

__all__ = ["SETTINGS", "BadSetting", "Home", "InForce", "Setting", "resolve", "resolve_all", "unknown_settings"]

PROJECT_FILE = "tamiz.toml"


class UnreadableProject(BadUsage):
    """{path} is not valid TOML: {problem}. Correct that line, or run the command from another folder."""


class UnknownSetting(BadUsage):
    """`{key}` in [settings] of {path} is not a setting. Known: {known}."""


class BadSetting(BadUsage):
    """{name} (from {origin}) is {value!r}, but it must be {expected}."""


@dataclass(frozen=True)
class Setting:
    """One thing that can be set: its key in `[settings]`, its environment variable, its default and its meaning."""

    key: str
    variable: str
    default: str
    meaning: str
    choices: tuple[str, ...] = ()
    secret: bool = False
    """Whether the value is or may hold a password, so that it is masked wherever it is shown."""
    in_file: bool = True
    """Whether `tamiz.toml` may set it too; what other programs read as well comes from the environment alone."""


@dataclass(frozen=True)
class InForce:
    """A setting with the value that counts and where that value was written."""

    setting: Setting
    value: str
    origin: str

    @property
    def shown(self) -> str:
        """The value; of a secret that is an address all but its password, of any other nothing."""
        if not self.setting.secret or not self.value:
            return self.value
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.value) if "://" in self.value else "***"


SETTINGS = (
    Setting("home", "TAMIZ_HOME", "var", "folder with everything that Tamiz keeps; another folder is another installation"),
    Setting(
        "auth",
        "TAMIZ_AUTH",
        "required",
        "whether the API asks for a key; `dev` asks for none and binds to loopback only",
        ("required", "dev"),
    ),
    Setting(
        "database",
        "TAMIZ_DATABASE_URL",
        "",
        "PostgreSQL to keep leads, decisions and policies in; by default tamiz.db under the home folder",
        secret=True,
        in_file=False,
    ),
    Setting(
        "worker",
        "TAMIZ_WORKER",
        "inside",
        "who scores changed leads again, does jobs and delivers webhooks: the service `inside` itself, or `tamiz worker` `beside` it",
        ("inside", "beside"),
    ),
    Setting(
        "log", "TAMIZ_LOG", "auto", "how the service's log is written: `json`, `text`, or text on a terminal only", ("auto", "json", "text")
    ),
    Setting("log_requests", "TAMIZ_LOG_REQUESTS", "slow", "which requests are in it: those slow or failed, or all", ("slow", "all")),
    Setting("nightly", "TAMIZ_NIGHTLY", "", "time of day, such as 03:00, at which scores older than 20 hours are made again"),
    Setting(
        "webhook_allow",
        "TAMIZ_WEBHOOK_ALLOW",
        "",
        "host names, by commas, that webhooks may go to although they are on a private network or without TLS",
    ),
    Setting(
        "secret",
        "TAMIZ_SECRET",
        "",
        "what sessions of the console are signed with, 32 characters or more; by default one that the installation draws itself",
        secret=True,
        in_file=False,
    ),
    Setting(
        "proxy_password",
        "TAMIZ_PROXY_PASSWORD",
        "",
        "password of a proxy that signs people in for the console; by default none is believed",
        secret=True,
        in_file=False,
    ),
    Setting("proxy_rights", "TAMIZ_PROXY_RIGHTS", "*=read", "what those may do, such as `*=read ana@acme.example=read+policy`"),
    Setting(
        "tracking",
        "MLFLOW_TRACKING_URI",
        "",
        "MLflow tracking server; by default mlflow.db under the home folder",
        secret=True,
        in_file=False,
    ),
    Setting("debug", "TAMIZ_DEBUG", "", "`1` shows the traceback of an error", in_file=False),
)

OF_THE_TESTS = frozenset({"TAMIZ_DATASETS", "TAMIZ_REQUIRE_ALL"})
"""Variables that only the Makefile and the tests read."""


@dataclass(frozen=True)
class Home:
    """The folder of one installation and the places in it."""

    root: Path
    database: str = ""
    """Address of a PostgreSQL database; empty: the SQLite file under the root."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Home:
        """The home in force: `TAMIZ_HOME`, or `home` in `tamiz.toml`, or `./var`. Always absolute."""
        folder = (folder or Path.cwd()).absolute()
        settings = {found.setting.key: found.value for found in resolve_all(environ, folder)}
        return cls(folder / Path(settings["home"]).expanduser(), settings["database"])

    @property
    def db_path(self) -> Path:
        return self.root / "tamiz.db"

    @property
    def mlflow_db(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def mlartifacts(self) -> Path:
        return self.root / "mlartifacts"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def create(self) -> Home:
        """Create the folders that do not exist yet; what exists is left alone."""
        for folder in (self.root, self.mlartifacts, self.bundles, self.quarantine, self.reports):
            folder.mkdir(parents=True, exist_ok=True)
        return self


def resolve(key: str, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> InForce:
    """The value in force of one setting: environment before `tamiz.toml` before default."""
    return next(found for found in resolve_all(environ, folder) if found.setting.key == key)


def resolve_all(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> list[InForce]:
    """Every setting with its value in force and where it came from.

    >>> [found.value for found in resolve_all({"TAMIZ_AUTH": "dev"}, Path("/nowhere")) if found.setting.key == "auth"]
    ['dev']
    """
    environ = os.environ if environ is None else environ
    project = (folder or Path.cwd()) / PROJECT_FILE
    written = _settings_table(project)
    return [_in_force(setting, environ, written, project) for setting in SETTINGS]


def unknown_settings(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables that start with `TAMIZ_` but set nothing: most likely misspelt.

    >>> unknown_settings({"TAMIZ_HOEM": "/srv/tamiz", "TAMIZ_HOME": "/srv/tamiz"})
    ['TAMIZ_HOEM']
    """
    environ = os.environ if environ is None else environ
    known = {setting.variable for setting in SETTINGS} | OF_THE_TESTS
    return sorted(name for name in environ if name.startswith("TAMIZ_") and name not in known)


def _in_force(setting: Setting, environ: Mapping[str, str], written: Mapping[str, str], project: Path) -> InForce:
    if environ.get(setting.variable):
        found = InForce(setting, environ[setting.variable], f"environment variable {setting.variable}")
    elif setting.key in written:
        found = InForce(setting, written[setting.key], str(project))
    else:
        return InForce(setting, setting.default, "default")
    if setting.choices and found.value not in setting.choices:
        raise BadSetting(name=setting.key, origin=found.origin, value=found.value, expected=" or ".join(setting.choices))
    return found


def _settings_table(project: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(project.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UnreadableProject(path=project, problem=problem) from problem
    table = document.get("settings", {})
    if not isinstance(table, dict):
        raise UnreadableProject(path=project, problem="`settings` must be a table")
    known = {setting.key for setting in SETTINGS if setting.in_file}
    for key in table:
        if key not in known:
            raise UnknownSetting(key=key, path=project, known=", ".join(sorted(known)))
    return {key: str(value) for key, value in table.items()}
