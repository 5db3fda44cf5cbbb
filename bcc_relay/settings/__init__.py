"""The settings of a relay: one frozen tree, loaded and checked as a whole."""

from bcc_relay.settings.load import DEFAULT_PATH, Loaded, load
from bcc_relay.settings.model import Listener, Settings
from bcc_relay.settings.not_built import NotBuilt

__all__ = ["DEFAULT_PATH", "Listener", "Loaded", "NotBuilt", "Settings", "load"]
