"""The command line: composes each package's commands, importing them only when one is called."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    raise SystemExit("error: no command exists yet")


if __name__ == "__main__":
    main()
