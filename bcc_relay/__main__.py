"""Starts the command line."""

import sys


def main() -> None:
    """Run `bcc-relay` with the arguments it was called with, and exit with its code."""
    from bcc_relay.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
