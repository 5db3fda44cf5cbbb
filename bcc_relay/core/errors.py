"""The few exceptions of the product. Each answers whose fault it was; doors turn foreign errors into one of these."""

from __future__ import annotations


class BccRelayError(Exception):
    """Base of all errors that the product raises on purpose."""


class ConfigurationError(BccRelayError):
    """The administrator must mend a setting: exit 78. `complaints` are sentences naming file, key and remedy."""

    def __init__(self, *complaints: str) -> None:
        self.complaints = complaints
        super().__init__("; ".join(complaints))


class StoreError(BccRelayError):
    """The store could not do it; nothing was changed. Temporary: the client hears 451 4.3.0."""


class StoreFullError(StoreError):
    """No room left on the store's disk; nothing was changed. The client hears 452 4.3.1."""


class NotRewritableError(BccRelayError):
    """This message cannot be rewritten safely; `why` is a plain sentence. The caller holds the message."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class ReadersBusyError(BccRelayError):
    """Nobody could look into the body, for reasons of this machine's. Temporary: the client hears 451 4.3.0."""


class ReadingFailedError(BccRelayError):
    """Reading the body failed in a way nobody foresaw. The caller holds the message."""


class AuthUnavailableError(BccRelayError):
    """The accounts cannot be read now. Temporary: the client hears 454 4.7.0."""
