"""A mail server of one's own that keeps what it is sent."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.services.process import HOST, free_ports


@dataclass
class Mailbox:
    """What a mail server was sent, and what it answers.

    Attributes:
        port: Where it listens.
        mails: Mails taken, in order.
        refused: Recipients that it does not take.
        answers: Answers to the next mails in place of taking them.
        user: Name and password that it knows.
        entered: How often somebody entered with them.
        bye: Its answer to QUIT.
        on_taken: Called after a mail is taken and before that is answered.
    """

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    user: tuple[str, str] = ("", "")
    entered: int = 0
    bye: str = "221 Bye"
    on_taken: Callable[[], None] = lambda: None

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Take a recipient or not."""
        if address in self.refused:
            return f"550 {address} is unknown"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a mail or answer as told."""
        if self.answers:
            return self.answers.pop(0)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.on_taken()
        return "250 OK"

    async def handle_QUIT(self, *_: Any) -> str:  # noqa: N802 - the name is aiosmtpd's
        """Say goodbye."""
        return self.bye

    def enter(self, _server: Any, _session: Any, _envelope: Any, *given: Any) -> Any:
        """Check a name and a password."""
        _, pair = given
        assert isinstance(pair, LoginPassword)
        known = (pair.login.decode(), pair.password.decode()) == self.user
        self.entered += known
        return AuthResult(success=known, handled=False)


@contextmanager
def serve(
    tls: ssl.SSLContext | None = None,
    *,
    user: tuple[str, str] | None = None,
    port: int | None = None,
) -> Iterator[Mailbox]:
    """Yield a server on 127.0.0.1 until the end of the `with`.

    Args:
        tls: Offers STARTTLS with it, and asks for it.
        user: Name and password without which it takes nothing.
        port: Where it listens; by default a free one.
    """
    box = Mailbox(port or free_ports(1)[0])
    asks: dict[str, Any] = {}
    if tls is not None:
        asks |= {"tls_context": tls, "require_starttls": True}
    if user is not None:
        box.user = user
        asks |= {"authenticator": box.enter, "auth_required": True}
    server = Controller(box, hostname=HOST, port=box.port, **asks)
    server.start()
    try:
        yield box
    finally:
        server.stop()
