"""The one thing that can be wrong here: a server cannot be had."""

PROVIDE = "python -m tests.services fetch"


class Missing(Exception):
    """A server cannot be had on this machine.

    Attributes:
        what: the server, for example "Kafka".
        why: what was looked for and what was found instead.
        cure: the command or setting that provides it.
    """

    def __init__(self, what: str, why: str, cure: str = PROVIDE) -> None:
        super().__init__(f"{what} is missing: {why}. To provide it: {cure}")
        self.what = what
        self.why = why
        self.cure = cure
