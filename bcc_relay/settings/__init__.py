"""The settings of a relay: one frozen tree, loaded and checked as a whole."""

from bcc_relay.settings.model import Listener, Settings
from bcc_relay.settings.not_built import NotBuilt
from bcc_relay.settings.reading import DEFAULT_PATH, Loaded, load

__all__ = ["DEFAULT_PATH", "Listener", "Loaded", "NotBuilt", "Settings", "load"]
