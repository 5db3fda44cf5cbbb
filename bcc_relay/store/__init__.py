"""Where held and queued mail and the audit are kept. `open_store` opens it; everything else is its own affair."""

from bcc_relay.store.audit import Reason
from bcc_relay.store.sql import SqlStore, open_store

__all__ = ["Reason", "SqlStore", "open_store"]
