"""The whole settings tree with every key and default, frozen. `reading` loads it, `checks` looks across its keys."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bcc_relay.settings.rules import Policy, RewriteTo, Section
from bcc_relay.settings.values import (
    Clock,
    Count,
    Domain,
    Duration,
    FilePath,
    MailAddress,
    Net,
    OptionalAddress,
    OptionalPath,
    Positive,
    Secret,
    Server,
    StoreUrl,
    Text,
    Workers,
    parse_clock,
    parse_duration,
    parse_host_port,
    parse_network,
)

Security = Literal["none", "starttls", "implicit"]
Power = Literal["release_as_bcc", "release_individually", "release_as_is", "discard"]

LOOPBACK = (parse_network("127.0.0.0/8"), parse_network("::1/128"))
EVERYWHERE = (parse_network("0.0.0.0/0"), parse_network("::/0"))


def _fill_in(section: Section, defaults: dict[str, object]) -> None:
    """Set what nobody wrote, from within a validator: the section is not frozen yet for anyone else."""
    for key, value in defaults.items():
        if key not in section.model_fields_set:
            object.__setattr__(section, key, value)


class Organisation(Section):
    """Whose addresses are own, partner and outsider."""

    name: Text = ""
    """Name of the organisation, as people read it in notices."""
    domains: tuple[Domain, ...] = ()
    """Own domains; subdomains are included. Required."""
    partners: tuple[Domain, ...] = ()
    """Domains that may see each other's addresses."""
    personal: tuple[Domain, ...] = ()
    """Domains of personal-mail providers beyond those on the built-in list, say a local one."""


class Listener(Section):
    """One port on which mail comes in. What is not written depends on `bind`: a loopback port is a gateway listener."""

    bind: Server
    """Address and port."""
    tls: Security = "starttls"
    """`none`, `starttls` or `implicit`. Not written: `none` on loopback, `starttls` elsewhere."""
    auth: Literal["required", "none"] = "required"
    """Whether clients log in. Not written: `none` on loopback, `required` elsewhere."""
    networks: tuple[Net, ...] = EVERYWHERE
    """Networks that may submit. Not written: everywhere with a login, loopback without."""
    proxy_protocol: tuple[Net, ...] = ()
    """Load balancers that tell the client's address by the PROXY protocol."""

    @model_validator(mode="after")
    def _defaults_of_bind(self) -> Self:
        guessed: dict[str, object] = {}
        if self.bind.is_loopback:
            guessed = {"tls": "none", "auth": "none"}
        auth = self.auth if "auth" in self.model_fields_set else guessed.get("auth", self.auth)
        if auth == "none":
            guessed["networks"] = LOOPBACK
        _fill_in(self, guessed)
        return self

    @property
    def name(self) -> str:
        """The listener's name in logs, labels and rules: its `bind`."""
        return str(self.bind)


class Tls(Section):
    """The certificate that listeners show."""

    certificate: OptionalPath = None
    """File with the certificate and its chain, in PEM."""
    private_key: OptionalPath = None
    """File with its private key, in PEM."""


class Auth(Section):
    """Where accounts are."""

    backend: Literal["file", "ldap", "upstream"] = "file"
    """`file`, `ldap` or `upstream` (asks the upstream with the client's own credentials)."""
    file: Annotated[FilePath, Field(validate_default=True)] = Path("users.yaml")
    """File of accounts. Not written: users.yaml beside the configuration."""


class Limits(Section):
    """What a client may ask for."""

    message_bytes: Positive = 52_428_800
    """Largest message, in bytes."""
    recipients: Positive = 2000
    """Most recipients in one message."""
    connections: Positive = 1000
    """Most connections at a time."""
    connections_per_client: Positive = 50
    """Most connections at a time from one address."""
    header_bytes: Positive = 1_048_576
    """Largest header, in bytes; a larger one counts as damage."""


class Upstream(Section):
    """The mail server that delivers."""

    servers: tuple[Server, ...] = ()
    """`host:port`, in order of preference. Required."""
    tls: Security = "starttls"
    """`none`, `starttls` or `implicit`; certificates are verified. Not written: `none` when all servers are local."""
    username: Text = ""
    """Login at the upstream."""
    password: Secret = SecretStr("")
    """Its password, from the environment only; files name a `password_file`."""
    password_file: OptionalPath = None
    """File whose first line is the password."""
    oauth: dict[str, Text] = Field(default_factory=dict)
    """XOAUTH2 instead of a password."""
    connections: Positive = 10
    """Most connections at a time."""
    recipients_per_transaction: Positive = 100
    """Most recipients in one transaction."""
    messages_per_minute: Count = 0
    """Most messages a minute; 0 is no limit."""

    @model_validator(mode="after")
    def _plain_on_loopback(self) -> Self:
        if self.servers and self.is_loopback:
            _fill_in(self, {"tls": "none"})
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether every server is on this machine."""
        return all(server.is_loopback for server in self.servers)


class Delivery(Section):
    """How mail is handed on."""

    first_attempt: Literal["live", "queue"] = "live"
    """`live` tries the upstream while the client waits; `queue` stores first."""
    live_deadline: Duration = parse_duration("50s")
    """How long a client waits for the upstream's answer."""
    when_unavailable: Literal["queue", "tempfail"] = "queue"
    """What a live attempt does without an upstream: store the message, or answer 451."""
    partial_refusal: Literal["bounce", "refuse_all"] = "bounce"
    """When the upstream refuses some recipients. Not written: `refuse_all` on listeners with a login."""
    retry: Annotated[tuple[Duration, ...], Field(min_length=1)] = tuple(
        parse_duration(text) for text in ("1m", "5m", "15m", "30m", "1h")
    )
    """Waiting times between attempts; the last one repeats."""
    give_up_after: Duration = parse_duration("2d")
    """When a message that could not be delivered goes back."""

    def refuses_all(self, *, authenticated: bool) -> bool:
        """Whether one refused recipient refuses the whole message, on a listener with or without login."""
        if "partial_refusal" in self.model_fields_set:
            return self.partial_refusal == "refuse_all"
        return authenticated


class Rewrite(Section):
    """How rewritten messages look."""

    to: RewriteTo = "sender"
    """What stands in To: `sender`, `undisclosed` or `individual`."""
    keep_own_visible: bool = False
    """Whether own addresses stay where none of them needs hiding."""
    names_note: bool = False
    """Whether display names stay, without addresses."""


class Quarantine(Section):
    """Held mail."""

    expire_after: Duration = parse_duration("14d")
    """How long a message waits for a decision."""
    sender_may: tuple[Power, ...] = ("release_as_bcc", "discard")
    """What senders may decide themselves."""
    second_person_for: tuple[Power, ...] = ("release_as_is",)
    """What needs two people."""
    key_file: OptionalPath = None
    """File with the key that encrypts held mail."""


class Retention(Section):
    """How long things are kept, counted from a message's final state."""

    bodies: Duration = parse_duration("0d")
    """Content of messages."""
    records: Duration = parse_duration("90d")
    """Records of messages."""
    memory: Duration = parse_duration("365d")
    """Remembered threads and circles."""
    audit: Duration = parse_duration("6y")
    """The audit."""


class Notices(Section):
    """Mail that the relay itself sends."""

    from_: Annotated[OptionalAddress, Field(alias="from")] = ""
    """From address. Not written: postmaster@ the first own domain."""
    reviewers: tuple[MailAddress, ...] = ()
    """Who is told of held mail."""
    digest: Clock = parse_clock("08:00")
    """Time of the daily digest."""
    language: Text = "en"
    """Language of notices."""


class StoreSettings(Section):
    """Where held and queued mail lives."""

    url: Annotated[StoreUrl, Field(repr=False)] = "sqlite:///var/lib/bcc-relay/relay.db"
    """`sqlite://` and an absolute path, or `postgresql://…`."""

    @property
    def sqlite_path(self) -> Path | None:
        """File of the SQLite store; None for another kind."""
        return Path(self.url.removeprefix("sqlite://")) if self.url.startswith("sqlite://") else None


class Web(Section):
    """Pages for reviewers and senders."""

    bind: Server = parse_host_port("127.0.0.1:8080")
    """Address and port."""
    public_url: Text = ""
    """Address of the pages as people reach them."""
    login: Literal["accounts", "oidc"] = "accounts"
    """`accounts` or `oidc`."""


class Metrics(Section):
    """Where `/metrics`, `/livez` and `/readyz` are."""

    bind: Server = parse_host_port("127.0.0.1:9125")
    """Address and port."""


class Log(Section):
    """What the log looks like."""

    format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for a terminal."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important lines that are written."""
    addresses: Literal["pseudonym", "plain"] = "pseudonym"
    """Whether addresses stand as keyed pseudonyms or in plain text."""


class Settings(Section):
    """All settings of a relay."""

    organisation: Organisation = Organisation()
    listeners: Annotated[tuple[Listener, ...], Field(min_length=1)] = (
        Listener(bind=parse_host_port("127.0.0.1:2525")),
    )
    tls: Tls = Tls()
    auth: Auth = Auth()
    limits: Limits = Limits()
    upstream: Upstream = Upstream()
    delivery: Delivery = Delivery()
    policy: Policy = Policy()
    rewrite: Rewrite = Rewrite()
    quarantine: Quarantine = Quarantine()
    retention: Retention = Retention()
    notices: Notices = Notices()
    store: StoreSettings = StoreSettings()
    web: Web = Web()
    metrics: Metrics = Metrics()
    workers: Workers = None
    """Number of processes, or `auto`: 1 with SQLite, all cores with PostgreSQL."""
    secret_file: OptionalPath = None
    """File with the master key. Not written: made once beside an SQLite store."""
    log: Log = Log()

    @property
    def notices_from(self) -> str:
        """From address of notices: `notices.from`, else postmaster at the first own domain."""
        return self.notices.from_ or f"postmaster@{self.organisation.domains[0]}"

    def written(self) -> dict[str, Any]:
        """Return the settings in force as they would stand in a file, with secrets as stars.

        `delivery.partial_refusal` is left out when nobody wrote it, because its default depends on the listener.
        """
        tree = self.model_dump(mode="json", by_alias=True)
        if "partial_refusal" not in self.delivery.model_fields_set:
            del tree["delivery"]["partial_refusal"]
        builtin = tree["policy"]["builtin"]
        builtin.update({name: False for name, thresholds in builtin.items() if thresholds is None})
        tree["policy"]["rules"] = [
            rule.model_dump(mode="json", by_alias=True, exclude_none=True) for rule in self.policy.rules
        ]
        return tree
