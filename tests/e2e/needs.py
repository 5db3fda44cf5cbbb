"""What of this system a test needs; where it is missing, the test is skipped and the reason names the package."""

from __future__ import annotations

import os
import shutil

import pytest

SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_PACKAGES = {
    "postfix": "postfix",
    "smtp-sink": "postfix",
    "swaks": "swaks",
    "msmtp": "msmtp",
    "curl": "curl",
    "node": "nodejs",
}
"""Program and the Debian package that brings it."""


def need(program: str, *, root: bool = False) -> str:
    """Return the path of a program, or skip the test with the reason. `root`: it must be run by root."""
    if root and os.geteuid() != 0:
        pytest.skip(f"needs root, for {program}: its daemons get other users")
    path = shutil.which(program, path=SEARCH_PATH)
    if path is None:
        pytest.skip(f"needs the package {_PACKAGES[program]}: tests/system-packages.sh installs it")
    return path
