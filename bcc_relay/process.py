"""The running relay: builds every part from the settings, starts them, reloads and drains them."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import ssl
import time
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from bcc_relay.auth.password_file import PasswordFile
from bcc_relay.core.detectors import DETECTORS
from bcc_relay.core.errors import ConfigurationError, StoreError
from bcc_relay.core.events import Lifecycle
from bcc_relay.core.policy.builtin import BUILTIN, EVERYTHING_ELSE
from bcc_relay.forwarder.options import Options as ForwarderOptions
from bcc_relay.forwarder.options import Server, Tls
from bcc_relay.forwarder.upstream import Forwarder
from bcc_relay.listener.limits import Connections, FailedLogins
from bcc_relay.listener.options import ListenerOptions
from bcc_relay.listener.server import Listener
from bcc_relay.readers.pool import Readers
from bcc_relay.relay.attempt import Attempts
from bcc_relay.relay.decisions import Decisions
from bcc_relay.relay.delivery import Delivery
from bcc_relay.relay.intake import COULD_NOT_DECIDE, Intake
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.learning import Learning
from bcc_relay.relay.live import Live
from bcc_relay.relay.options import Current
from bcc_relay.relay.post import Post
from bcc_relay.relay.reports import Reports
from bcc_relay.relay.resubmissions import Resubmissions
from bcc_relay.relay.review import Review
from bcc_relay.relay.under_way import UnderWay
from bcc_relay.relay.upkeep import Upkeep
from bcc_relay.telemetry import systemd
from bcc_relay.telemetry.health import health_app
from bcc_relay.telemetry.http import HttpServer
from bcc_relay.telemetry.logs import LogObserver, set_up
from bcc_relay.telemetry.metrics import MetricsObserver
from bcc_relay.telemetry.observers import Observers
from bcc_relay.telemetry.pseudonyms import keyed
from bcc_relay.wiring import hostname_of, new_id, now, open_store, options_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcc_relay.relay.ports import Counts, Observe, Store
    from bcc_relay.settings import Loaded, Settings
    from bcc_relay.settings.model import Listener as ListenerSettings
    from bcc_relay.store.keys import Keys
    from bcc_relay.store.sql import SqlStore

DRAIN_S = 45.0
"""How long a stop waits for dialogs and deliveries in progress."""


def forwarder_of(settings: Settings, observe: Observe) -> Forwarder:
    """Return the way to the upstream. Raises ConfigurationError."""
    upstream = settings.upstream
    return Forwarder(
        ForwarderOptions(
            servers=tuple(Server(server.host, server.port) for server in upstream.servers),
            hello_name=hostname_of(settings),
            tls=Tls(upstream.tls),
            username=upstream.username,
            password=upstream.password.get_secret_value(),
            connections=upstream.connections,
            messages_per_minute=upstream.messages_per_minute,
        ),
        observe,
    )


def certificate_of(settings: Settings) -> ssl.SSLContext | None:
    """Return the listeners' TLS context; None without a certificate. Raises ConfigurationError."""
    certificate, private_key = settings.tls.certificate, settings.tls.private_key
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # Python as Debian builds it leaves the minimum to OpenSSL.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key with a passphrase must not make a service ask for it on the terminal.
        context.load_cert_chain(certificate, private_key, password=b"")
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"tls.certificate ({certificate}): cannot be used with its private key ({reason}); check both PEM files"
        ) from error
    return context


def observers_of(settings: Settings, keys: Keys) -> tuple[Observers, MetricsObserver]:
    """Return who takes note of events, and the metrics among them."""
    pseudonym = keyed(keys.pseudonym) if settings.log.addresses == "pseudonym" else None
    log = set_up(form=settings.log.format, level=settings.log.level, pseudonym=pseudonym)
    metrics = MetricsObserver(
        version=version("bcc-relay"),
        listeners=[listener.name for listener in settings.listeners],
        servers=len(settings.upstream.servers),
        rules=rule_names(settings),
        detectors=list(DETECTORS),
        clock=now,
    )
    return Observers(LogObserver(log, pseudonym), metrics), metrics


def rule_names(settings: Settings) -> list[str]:
    """Return the names of all rules that can match."""
    return [*(rule.name for rule in settings.policy.rules), *BUILTIN, EVERYTHING_ELSE, COULD_NOT_DECIDE]


class Relay:
    """One running relay. Enter it to start, leave it to drain and stop."""

    def __init__(self, loaded: Loaded) -> None:
        """Nothing happens before it is entered."""
        self._loaded = loaded
        self._settings = loaded.settings
        self._stack = AsyncExitStack()
        self._listeners: list[Listener] = []
        self._draining = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ports(self) -> dict[str, int]:
        """Port by listener name, and `metrics`."""
        return {
            **dict(zip((entry.name for entry in self._settings.listeners), self._ports(), strict=True)),
            "metrics": self._http.port,
        }

    def _ports(self) -> list[int]:
        return [listener.port for listener in self._listeners]

    async def __aenter__(self) -> Self:
        """Start. Raises ConfigurationError and StoreError; then nothing is left running."""
        try:
            await self._start()
        except BaseException:
            for task in self._tasks:
                task.cancel()  # they never end by themselves, and their group waits for them
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drain: stop listening, finish what is in progress, give back what is not, close."""
        self.observe(Lifecycle("draining"))
        self._draining = True
        await asyncio.gather(self._drain_delivery(), *(listener.drain(DRAIN_S) for listener in self._listeners))
        self._upkeep.stop()
        await self._stack.aclose()
        self.observe(Lifecycle("stopped"))

    async def _drain_delivery(self) -> None:
        try:
            broken_off = await self._delivery.drain(DRAIN_S)
        except StoreError as error:
            # What was claimed is given back at the next start.
            self.observe(Lifecycle("draining", {"store": str(error)}))
            return
        if broken_off:
            self.observe(Lifecycle("draining", {"left": f"{broken_off} sends in progress were broken off"}))

    async def _start(self) -> None:
        settings = self._settings
        store = await self._stack.enter_async_context(open_store(settings))
        self.observe, self._metrics = observers_of(settings, store.keys)
        self.observe(Lifecycle("starting", {"version": version("bcc-relay"), "files": self._files()}))
        for missing in self._loaded.not_built:
            self.observe(Lifecycle("not_built", {"key": missing.key, "what": str(missing)}))
        self._keys = store.keys
        self._current = Current(options_of(settings, store.keys))
        forwarder = forwarder_of(settings, self.observe)
        self._stack.push_async_callback(forwarder.close)
        # Whatever runs beside the dialogs belongs to this group, which waits for it at the end.
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        under_way = UnderWay(group)
        # What dialogs began in their last moments has had its time.
        self._stack.push_async_callback(under_way.finish, 0)
        readers = Readers(observe=self.observe)
        self._stack.push_async_callback(readers.close)
        self._build(store, forwarder, under_way, Judging(readers, store.memory, observe=self.observe))
        await self._resubmissions.recall()
        await store.reclaim(owner="")
        await self._upkeep.round()
        self._tasks = [group.create_task(self._delivery.run()), group.create_task(self._upkeep.run())]
        self._http = HttpServer(
            health_app(self._metrics.registry, self._complaints, self._upkeep.refresh), str(settings.metrics.bind)
        )
        await self._http.start()
        self._stack.push_async_callback(self._http.stop)
        await self._listen()
        self.observe(Lifecycle("ready", {name: str(port) for name, port in self.ports.items()}))
        systemd.notify("READY=1")

    def _files(self) -> str:
        return ", ".join(map(str, self._loaded.files))

    def _build(self, store: SqlStore, forwarder: Forwarder, under_way: UnderWay, judging: Judging) -> None:
        self._store: Store = store
        post = Post(self._current, now, new_id)
        attempts = Attempts(forwarder, new_id=new_id, observe=self.observe)
        reports = Reports(post, new_id=new_id, observe=self.observe)
        self._resubmissions = Resubmissions(store, now, store.keys.fingerprint)
        learning = Learning(self._current, store.memory, under_way, new_id=new_id, observe=self.observe)
        self._delivery = Delivery(
            self._current,
            store,
            attempts,
            reports,
            under_way,
            learning,
            clock=now,
            new_id=new_id,
            observe=self.observe,
            owner=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        )
        live = Live(
            store,
            attempts,
            reports,
            self._delivery,
            under_way,
            clock=now,
            new_id=new_id,
            observe=self.observe,
            resubmissions=self._resubmissions,
            learning=learning,
            chance=random.random,
        )
        self._intake = Intake(
            self._current,
            store,
            live,
            self._delivery,
            post,
            judging,
            clock=now,
            new_id=new_id,
            observe=self.observe,
            resubmissions=self._resubmissions,
        )
        review = Review(self._current, store, post, judging, clock=now, wake=self._delivery.wake)
        self._upkeep = Upkeep(
            self._current,
            store,
            store.memory,
            review,
            Decisions(store, self.observe),
            clock=now,
            new_id=new_id,
            observe=self.observe,
            show_counts=self._show_counts,
        )

    def _show_counts(self, counts: Counts) -> None:
        self._metrics.show_counts(counts, now())

    async def _listen(self) -> None:
        settings = self._settings
        certificate = certificate_of(settings)
        accounts = PasswordFile(settings.auth.file)
        if any(entry.auth != "none" for entry in settings.listeners):
            accounts.check()
        connections = Connections(settings.limits.connections, settings.limits.connections_per_client)
        failed_logins = FailedLogins(time.monotonic)
        spool = settings.store.sqlite_path
        for entry in settings.listeners:
            listener = Listener(
                _listener_options(entry, settings),
                intake=self._intake,
                observe=self.observe,
                clock=now,
                new_id=new_id,
                authenticate=accounts if entry.auth != "none" else None,
                ssl_context=certificate if entry.tls != "none" else None,
                spool_folder=spool.parent if spool else None,
                connections=connections,
                failed_logins=failed_logins,
            )
            await listener.start()
            self._listeners.append(listener)
            self._stack.push_async_callback(listener.close)

    async def _complaints(self) -> Sequence[str]:
        if self._draining:
            return ["draining"]
        if len(self._listeners) < len(self._settings.listeners):
            return ["the listeners are not up yet"]
        try:
            await self._store.ping()
        except StoreError:
            return ["the store does not answer"]
        return []

    def reload(self, loaded: Loaded) -> None:
        """Take over policy, limits of delivery, notices and certificate of new settings; raises ConfigurationError.

        Listeners, upstream, store and log need a restart; when they differ, a log line says so.
        """
        settings = loaded.settings
        loaded.refuse_unsafe()
        options = options_of(settings, self._keys)
        certificate = certificate_of(settings)
        for entry, listener in zip(self._settings.listeners, self._listeners, strict=True):
            if entry.tls != "none" and certificate is not None:
                listener.use_certificate(certificate)
        self._metrics.know_rules(rule_names(settings))
        self._current.options = options
        kept = [key for key in _RESTART_KEYS if getattr(settings, key) != getattr(self._settings, key)]
        detail = {"needs_restart": ", ".join(kept)} if kept else {}
        self.observe(Lifecycle("reloaded", detail))

    def reload_failed(self, error: ConfigurationError) -> None:
        """Say that new settings were not taken over, and why; the old ones stay in force."""
        self.observe(Lifecycle("reload_failed", {"complaints": "; ".join(error.complaints)}))


_RESTART_KEYS = ("listeners", "auth", "limits", "upstream", "store", "metrics", "secret_file", "log", "web", "workers")


def _listener_options(entry: ListenerSettings, settings: Settings) -> ListenerOptions:
    return ListenerOptions(
        name=entry.name,
        host=entry.bind.host,
        port=entry.bind.port,
        tls=entry.tls,
        auth=entry.auth,
        networks=tuple(map(str, entry.networks)),
        proxy_protocol=tuple(map(str, entry.proxy_protocol)),
        message_bytes=settings.limits.message_bytes,
        recipients=settings.limits.recipients,
        hostname=hostname_of(settings),
    )
