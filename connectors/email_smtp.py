"""Notices as plain e-mail, one message for each, over SMTP.

All messages of a case refer to one thread, and a notice that is sent again has the
same Message-ID, so that mail servers and readers can drop the repetition.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Literal

from connectors.notices import Declined, Notice, Unavailable, said

Security = Literal["none", "starttls", "tls"]
_PERMANENT = 500


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to enter it.

    Attributes:
        host: Its name or address.
        port: Where it listens.
        security: ``starttls``, ``tls`` from the first byte, or ``none``.
        username: Empty: none is asked for.
        password: With ``username``.
        ca_file: Certificates to trust instead of the system's.
        timeout_s: Longest wait for each answer.
    """

    host: str
    port: int
    security: Security = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout_s: float = 10.0


class Email:
    """Sends notices to some recipients.

    Args:
        server: Takes the mail.
        sender: Address that it comes from.
        recipients: Addresses that it goes to, in one message.
    """

    def __init__(self, server: Server, sender: str, recipients: Sequence[str]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = list(recipients)

    def send(self, notice: Notice) -> str | None:
        """Send a notice.

        Returns:
            What somebody should know although it was sent: that some of the
            recipients were refused; else None.

        Raises:
            Unavailable: The same notice again, later.
            Declined: It will never be taken.
        """
        mail = message(notice, self._sender, self._recipients)
        where = f"mail server {self._server.host}:{self._server.port}"
        try:
            with closing(self._connect()) as smtp:
                refused = smtp.send_message(mail, self._sender, self._recipients)
                # The mail is taken; a bad farewell must not send it again.
                with suppress(smtplib.SMTPException, OSError):
                    smtp.quit()
        except smtplib.SMTPAuthenticationError as error:
            text = f"{where} does not take user name and password ({error.smtp_code})"
            raise Unavailable(text) from None
        except smtplib.SMTPRecipientsRefused as error:
            # Not what the server said: it names people.
            codes = {code for code, _ in error.recipients.values()}
            told = ", ".join(map(str, sorted(codes)))
            text = f"{where} refused every recipient ({told})"
            raise Unavailable(text) from None
        except smtplib.SMTPDataError as error:
            code, answer = error.smtp_code, error.smtp_error
            text = f"{where} refused the message: {code} {self._said(answer)}"
            kind = Declined if code >= _PERMANENT else Unavailable
            raise kind(text) from None
        except smtplib.SMTPResponseException as error:
            text = f"{where} answered {error.smtp_code} {self._said(error.smtp_error)}"
            raise Unavailable(text) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            reason = self._said(str(error)) or type(error).__name__
            raise Unavailable(f"{where} cannot be used: {reason}") from None
        if not refused:
            return None
        total = len(self._recipients)
        return f"{where} refused {len(refused)} of {total} recipients"

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        trusted = str(server.ca_file) if server.ca_file else None
        smtp: smtplib.SMTP
        if server.security == "tls":
            context = ssl.create_default_context(cafile=trusted)
            smtp = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout_s, context=context
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        try:
            if server.security == "starttls":
                # Fails if the server does not offer it: never in the clear instead.
                smtp.starttls(context=ssl.create_default_context(cafile=trusted))
            if server.username:
                smtp.login(server.username, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _said(self, answer: bytes | str) -> str:
        text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
        return said(text, (self._server.password,))

    def close(self) -> None:
        """Nothing is kept open between two messages."""


def message(notice: Notice, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Return a notice as a mail, dated now."""
    domain = sender.rpartition("@")[2]
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = " ".join(notice.title.split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{_digest(notice.key)}@{domain}>"
    # No message has this id, yet all of a case refer to it: that makes a thread.
    thread = f"<{_digest(notice.case)}.case@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    # Keeps holiday notices from answering (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(notice.body)
    return mail


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
