"""What can go wrong for a user, and with which exit code a command then ends.

    ForeshockError            never raised itself
    ├── UserError             exit code 2: what was asked cannot be done as it stands
    │   ├── ConfigError       a setting is unknown, impossible or missing
    │   └── InputError        a file or an argument cannot be understood
    └── OutsideError          exit code 1: the world outside failed; try later

Whatever is not in this tree is a bug of ours. Commands turn every error into
one sentence on standard error; a traceback appears only with ``--debug``.
"""

from __future__ import annotations

from typing import ClassVar


class ForeshockError(Exception):
    """Base of all errors that a user is meant to read."""

    exit_code: ClassVar[int] = 1


class UserError(ForeshockError):
    """The user can put it right: the text names the place and what was expected."""

    exit_code: ClassVar[int] = 2


class ConfigError(UserError):
    """A configuration is refused.

    Attributes:
        faults: One sentence per fault, each naming the dotted path of the setting,
            what was expected and what was found. Never holds a secret.
    """

    def __init__(self, faults: list[str] | tuple[str, ...]) -> None:
        """Keep the sentences; the text of the error is one line for each."""
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class InputError(UserError):
    """A file, a data set or an argument cannot be understood."""


class OutsideError(ForeshockError):
    """A server or a file system did not answer as it must; trying later may help."""
