"""Every setting, read from the environment: `REFLEDGER_` and the field's name in capitals."""

import os
import secrets
import tempfile
from contextlib import suppress
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "REFLEDGER_"
SECRET_FILE = "secret.key"


class Settings(BaseSettings):
    """A value that cannot be used is refused at the start (`SettingsError` from `load`), never replaced."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    database_url: str = Field(
        "sqlite:///data/refledger.db", description="Where everything is kept: a SQLAlchemy URL."
    )
    data_dir: Path = Field(
        Path("data"), description="Folder of the installation's own files: `secret.key` and `demo.json`."
    )
    secret: SecretStr | None = Field(
        None,
        description="The installation's secret, 32 characters or more; without it `secret.key` is used.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    public_url: str | None = Field(
        None,
        description="The URL that shops and browsers reach, for the links that are printed.",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="Addresses or ranges, separated by commas, whose forwarded headers are believed."
    )
    geoip_city: Path | None = Field(
        None, description="Database of cities in MaxMind's format: where an address is."
    )
    geoip_asn: Path | None = Field(
        None, description="Database of network operators in MaxMind's format: whose network an address is in."
    )
    geoip_anonymous: Path | None = Field(
        None, description="Database of anonymous addresses in MaxMind's format: VPN, Tor, proxies, hosting."
    )
    addresses_tor: Path | None = Field(None, description="List of Tor's exits, one address per line.")
    addresses_vpn: Path | None = Field(None, description="List of VPNs' addresses and ranges.")
    addresses_hosting: Path | None = Field(None, description="List of hosting networks' ranges.")
    addresses_proxy: Path | None = Field(None, description="List of open proxies' addresses and ranges.")
    addresses_relay: Path | None = Field(
        None, description="List of privacy relays' ranges, as Apple publishes them for iCloud."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console` (lines for people), or `auto`: for people at a terminal."
    )
    workers: int = Field(
        1, ge=1, le=64, description="Serving processes behind the one port; on SQLite there can be but one."
    )
    max_waiting: int = Field(
        2000, ge=1, description="Reports that may wait to be decided; beyond it the answer is 503."
    )
    group_cap: int = Field(64, ge=1, le=128, description="Reports decided and committed together at most.")
    click_flush_ms: int = Field(
        20, ge=1, le=50, description="How long a click may wait to be stored with others."
    )
    max_clicks_waiting: int = Field(
        20_000, ge=1, description="Clicks that may wait to be stored; beyond it the answer is 503."
    )
    body_timeout_s: float = Field(10.0, gt=0, description="Time a client has to send its request's body.")
    header_bytes: int = Field(32_768, ge=4096, description="Size of a request's headers at most.")
    database_wait_s: float = Field(
        5.0, gt=0, description="Time to wait for a busy database before answering 503."
    )
    drain_s: float = Field(
        20.0, ge=0, description="Time that open requests have to finish when the service stops."
    )

    keep_addresses_days: int = Field(
        30, ge=1, description="Days after which addresses of visitors and customers are dropped."
    )
    keep_mailboxes_days: int = Field(
        180, ge=1, description="Days after which customers' e-mail addresses are dropped."
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value):
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError("needs IP addresses or ranges, separated by commas") from None

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None):
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("needs at least 32 characters")
        return value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None):
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value and value.rstrip("/")

    @property
    def secret_path(self) -> Path:
        return self.data_dir / SECRET_FILE

    def secret_bytes(self) -> bytes:
        """64 bytes that stand for the installation's secret; makes `secret.key` where there is none yet."""
        text = self.secret.get_secret_value() if self.secret else read_or_make_secret(self.secret_path)
        # Hashed, so that all of a long secret counts: a keyed hash takes 64 bytes of it at most.
        return blake2b(text.strip().encode()).digest()


class SettingsError(Exception):
    """A setting that cannot be used; the message names it, never its value."""


def load(**given) -> Settings:
    """Settings of the environment. `given` wins over it."""
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = [
            f"{PREFIX}{'_'.join(str(part) for part in problem['loc']).upper()}: {_words(problem)}"
            for problem in error.errors(include_input=False)
        ]
        raise SettingsError("; ".join(lines)) from None


def _words(problem) -> str:
    return problem["msg"].removeprefix("Value error, ")  # pydantic's, before the sentences of our own checks


def read_or_make_secret(path: Path) -> str:
    """The file's text. Of several processes that find none, one makes it and all read the same."""
    with suppress(FileNotFoundError):
        return _usable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link appears whole or not at all, so no reader ever sees half a secret.
    handle, draft = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # mkstemp gives 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
    _sync_folder(path.parent)
    return _usable(path)


def _usable(path: Path) -> str:
    text = path.read_text(encoding="utf-8").strip()
    if len(text) < 32:
        raise SettingsError(
            f"{path} holds no usable secret (fewer than 32 characters): restore it from a backup"
        )
    return text


def _sync_folder(folder: Path) -> None:
    # The keys hashed under this secret outlive a power cut; so must the secret.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
