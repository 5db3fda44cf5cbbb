"""What no single key can tell: keys that need each other, files that must be readable, names that must exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.detectors import DETECTORS
from bcc_relay.settings.complaints import Complaint, complain
from bcc_relay.settings.rules import BUILTIN_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bcc_relay.settings.document import Value
    from bcc_relay.settings.model import Settings
    from bcc_relay.settings.values import HostPort

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
_FINAL_URL = re.compile(r"(https?://|www\.)\S+$", re.IGNORECASE)


def required(tree: Value) -> Iterator[Complaint]:
    """Complain about keys without which no relay can run."""
    for path, why in (
        (("organisation", "domains"), "write your own domains, such as [council.example]"),
        (("upstream", "servers"), 'write the mail server that delivers, such as ["smtp.council.example:25"]'),
    ):
        at = tree.find(path)
        if not tree.holds(path) or at.content == []:
            yield complain(tree, path, f"is required; {why}")


def across(settings: Settings, tree: Value) -> Iterator[Complaint]:
    """Complain about keys that do not go together. Looks at no file."""
    yield from _listeners(settings, tree)
    yield from _upstream(settings, tree)
    yield from _times(settings, tree)
    yield from _rules(settings, tree)
    if (at := _inline_secret(tree)) is not None:
        yield complain(tree, at, "stands in a file; write password_file: and put the password into a file of its own")
    overlap = sorted(set(settings.organisation.domains) & set(settings.organisation.partners))
    if overlap:
        yield complain(tree, ("organisation", "partners"), f"names the own domain {overlap[0]}; remove it there")


def _listeners(settings: Settings, tree: Value) -> Iterator[Complaint]:
    seen: set[str] = set()
    for at, listener in enumerate(settings.listeners):
        path = ("listeners", at)
        if listener.name in seen and listener.bind.port:
            yield complain(tree, (*path, "bind"), f"{listener.name} stands twice; give each listener its own port")
        seen.add(listener.name)
        if listener.auth == "required" and listener.tls == "none" and not listener.bind.is_loopback:
            yield complain(
                tree,
                (*path, "tls"),
                f"is none on {listener.name}, so passwords would travel in the clear; write tls: starttls or implicit",
            )
        if listener.tls != "none":
            for key in ("certificate", "private_key"):
                if getattr(settings.tls, key) is None:
                    what = (
                        f"is empty, but the listener {listener.name} needs TLS; name the file, or write tls: none there"
                    )
                    yield complain(tree, ("tls", key), what)


def _upstream(settings: Settings, tree: Value) -> Iterator[Complaint]:
    upstream = settings.upstream
    written = upstream.password.get_secret_value()
    if upstream.username and not (written or upstream.password_file or upstream.oauth):
        yield complain(tree, ("upstream", "username"), "has no password; add password_file, or remove username")
    if (written or upstream.password_file) and not upstream.username:
        key = "password" if written else "password_file"
        yield complain(tree, ("upstream", key), "has no login to it; add username")
    if upstream.username and upstream.tls == "none" and not upstream.is_loopback:
        what = "is none, so the password would travel in the clear; write starttls or implicit"
        yield complain(tree, ("upstream", "tls"), what)
    for at, server in enumerate(upstream.servers):
        if any(_is_same(server, listener.bind) for listener in settings.listeners):
            what = (
                f"{server} is a listener of this relay, so mail would go in a circle; write the mail server's address"
            )
            yield complain(tree, ("upstream", "servers", at), what)


def _is_same(server: HostPort, bind: HostPort) -> bool:
    """Whether a connection to `server` reaches the listener at `bind`, as far as their addresses tell."""
    if server.port != bind.port:
        return False
    return server.host == bind.host or (server.is_loopback and (bind.is_loopback or bind.host in _EVERY_ADDRESS))


def _times(settings: Settings, tree: Value) -> Iterator[Complaint]:
    """Complain about times of nothing where something has to happen meanwhile."""
    delivery, builtin = settings.delivery, settings.policy.builtin
    for path, time, why in (
        (("quarantine", "expire_after"), settings.quarantine.expire_after, "nobody could decide; write such as 14d"),
        (("delivery", "live_deadline"), delivery.live_deadline, "no server could answer; write such as 50s"),
        *(
            (("delivery", "retry", at), time, "the upstream would be asked without a pause; write such as 1m")
            for at, time in enumerate(delivery.retry)
        ),
        *(
            (("policy", "builtin", key, "within"), rule.within, f"nothing counts; write such as {usual}")
            for key, rule, usual in (
                ("correction", builtin.correction, "7d"),
                ("in-pieces", builtin.in_pieces, "10m"),
            )
            if rule is not None
        ),
        *(
            (
                ("policy", "rules", at, "when", "window_outsiders", "within"),
                window.within,
                "nothing counts; write such as 1h",
            )
            for at, rule in enumerate(settings.policy.rules)
            if (window := rule.when.window_outsiders) is not None
        ),
    ):
        if not time:
            yield complain(tree, path, f"is no time at all, so {why}")


def _rules(settings: Settings, tree: Value) -> Iterator[Complaint]:
    listeners = {listener.name for listener in settings.listeners}
    names: set[str] = set()
    for at, rule in enumerate(settings.policy.rules):
        path = ("policy", "rules", at)
        if rule.name in names:
            yield complain(tree, (*path, "name"), "stands twice; give each rule a name of its own")
        names.add(rule.name)
        if rule.name in BUILTIN_NAMES:
            what = "is the name of a built-in rule; choose another, or change the built-in one under policy.builtin"
            yield complain(tree, (*path, "name"), what)
        for name in rule.when.listener or ():
            if name not in listeners:
                known = ", ".join(sorted(listeners))
                yield complain(tree, (*path, "when", "listener"), f"{name!r} is no listener; write one of {known}")
        for name in rule.when.finding or ():
            if name not in DETECTORS:
                what = f"{name!r} is no detector; write one of {', '.join(DETECTORS)}"
                yield complain(tree, (*path, "when", "finding"), what)
        if rule.then == "reject" and _FINAL_URL.search(rule.sentence):
            what = "ends with a link, which mail programs cut off; move the link into the sentence"
            yield complain(tree, (*path, "sentence"), what)


def _inline_secret(tree: Value) -> tuple[str, ...] | None:
    path = ("upstream", "password")
    return path if tree.holds(path) and tree.find(path).place.line is not None else None


def files(settings: Settings, tree: Value) -> Iterator[Complaint]:
    """Complain about files that are named but cannot be read."""
    named: list[tuple[tuple[str, ...], Path | None]] = [
        (("upstream", "password_file"), settings.upstream.password_file),
        (("secret_file",), settings.secret_file),
        (("quarantine", "key_file"), settings.quarantine.key_file),
    ]
    if any(listener.tls != "none" for listener in settings.listeners):
        certificate, private_key = settings.tls.certificate, settings.tls.private_key
        named += [(("tls", "certificate"), certificate), (("tls", "private_key"), private_key)]
        if certificate and private_key and not _unreadable(certificate) and not _unreadable(private_key):
            yield from _pair(certificate, private_key, tree)
    for path, file in named:
        if file is not None and (trouble := _unreadable(file)):
            yield complain(
                tree, path, f"{str(file)!r} cannot be read ({trouble}); create it, or correct its path or rights"
            )


def _pair(certificate: Path, private_key: Path, tree: Value) -> Iterator[Complaint]:
    """Complain about a certificate and a key that cannot be used together."""
    import ssl

    try:
        # A key with a passphrase would otherwise ask for it on the terminal, where nobody sits.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password=lambda: b"")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "reason", None) or "no PEM").lower().replace("_", " ")
        what = (
            f"{str(certificate)!r} cannot be used with the key {str(private_key)!r} ({reason}); "
            "name a certificate and its own key, both in PEM and without a passphrase"
        )
        yield complain(tree, ("tls", "certificate"), what)


def _unreadable(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return "" if opened.read(1) else "it is empty"
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError as error:
        return str(error)
