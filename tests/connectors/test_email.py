"""E-mail: what is sent, over which connection, and what every answer means."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from connectors.email_smtp import Email, Server
from connectors.notices import Declined, Unavailable
from tests.connectors.notice import SECRET, closed, notice
from tests.services import mail, packages
from tests.services.errors import Missing
from tests.services.fixtures import give_up
from tests.services.mail import Mailbox

SENDER = "foreshock@plant.example"
TO = ("shift@plant.example", "boss@plant.example")
USER = ("foreshock", SECRET)


def plain(box: Mailbox, **other: Any) -> Email:
    server = Server("127.0.0.1", box.port, "none", timeout_s=5.0)
    return Email(replace(server, **other), SENDER, TO)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    path, key = folder / "cert.pem", folder / "key.pem"
    try:
        openssl = packages.program("openssl", "openssl", "TLS")
        made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-nodes", "-days", "2", "-keyout", str(key), "-out", str(path)]
        packages.build("TLS", [openssl, *made, *names, *files])
    except Missing as missing:
        give_up(missing)
    return path


def served_with(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def test_a_mail_says_all_of_it_in_plain_text() -> None:
    with mail.serve() as box:
        assert plain(box).send(notice(title="[HIGH] pump-07:\n 轴承")) is None
    (sent,) = box.mails
    assert sent["From"] == SENDER
    assert sent["To"] == ", ".join(TO)
    assert sent["Subject"] == "[HIGH] pump-07: 轴承"
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["Date"]
    assert sent.get_content_type() == "text/plain"
    assert sent.get_content().splitlines() == notice().body.splitlines()


def test_a_repetition_has_the_same_id_and_a_case_is_one_thread() -> None:
    with mail.serve() as box:
        email = plain(box)
        for one in (notice(), notice(), closed(), notice(case="2", key="2/opened")):
            email.send(one)
        email.close()
    first, again, end, other = box.mails
    assert first["Message-ID"] == again["Message-ID"] != end["Message-ID"]
    assert first["References"] == first["In-Reply-To"] == end["References"]
    assert len({first["Message-ID"], other["Message-ID"], first["References"]}) == 3
    assert other["References"] != first["References"]
    assert str(first["Message-ID"]).endswith("@plant.example>")


def test_starttls_comes_before_the_password(certificate: Path) -> None:
    with mail.serve(served_with(certificate), user=USER) as box:
        email = plain(
            box,
            security="starttls",
            username=USER[0],
            password=USER[1],
            ca_file=certificate,
        )
        email.send(notice())
    assert len(box.mails) == box.entered == 1


def test_a_server_without_starttls_gets_nothing() -> None:
    with mail.serve() as box:
        email = plain(box, security="starttls", username="u", password=SECRET)
        with pytest.raises(Unavailable, match="STARTTLS extension not supported"):
            email.send(notice())
    assert box.mails == []


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with mail.serve(served_with(certificate)) as box:
        with pytest.raises(Unavailable, match=r"certificate verify failed"):
            plain(box, security="starttls").send(notice())
        absent = certificate.with_name("absent.pem")
        with pytest.raises(Unavailable, match=r"No such file"):
            plain(box, security="starttls", ca_file=absent).send(notice())
    assert box.mails == []


def test_a_wrong_password_is_asked_again_and_not_told(certificate: Path) -> None:
    with mail.serve(served_with(certificate), user=USER) as box:
        email = plain(
            box,
            security="starttls",
            username=USER[0],
            password=f"{SECRET}!",
            ca_file=certificate,
        )
        with pytest.raises(Unavailable, match="user name and password") as caught:
            email.send(notice())
    assert SECRET not in str(caught.value)
    assert (box.mails, box.entered) == ([], 0)


def test_a_password_is_not_shown() -> None:
    assert SECRET not in repr(Server("h", 25, password=SECRET))


def test_one_refused_recipient_is_told_and_the_others_have_it() -> None:
    with mail.serve() as box:
        box.refused.add(TO[1])
        told = plain(box).send(notice())
        assert told is not None
        assert told.endswith("refused 1 of 2 recipients")
        box.refused.add(TO[0])
        with pytest.raises(Unavailable, match=r"every recipient \(550\)") as caught:
            plain(box).send(notice())
    assert "boss" not in str(caught.value)
    assert len(box.mails) == 1


def test_a_refused_mail_is_declined_or_sent_again_by_its_code() -> None:
    with mail.serve() as box:
        box.answers += [f"554 spam {SECRET}", "451 later"]
        email = plain(box, password=SECRET)
        with pytest.raises(Declined, match=r"554 spam \*\*\*"):
            email.send(notice())
        with pytest.raises(Unavailable, match="451 later"):
            email.send(notice())
        email.send(notice())
    assert len(box.mails) == 1


def test_a_bad_farewell_does_not_send_a_mail_again() -> None:
    with mail.serve() as box:
        box.bye = "500 stay"
        assert plain(box).send(notice()) is None
    assert len(box.mails) == 1


@contextmanager
def answering(
    greet: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve one connection on 127.0.0.1; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                if tls is None:
                    greet(connection)
                else:
                    with tls.wrap_socket(connection, server_side=True) as safe:
                        greet(safe)

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


def test_tls_from_the_first_byte(certificate: Path) -> None:
    def busy(connection: socket.socket) -> None:
        connection.sendall(b"421 too many of you\r\n")

    with answering(busy, served_with(certificate)) as port:
        server = Server("127.0.0.1", port, "tls", ca_file=certificate, timeout_s=5.0)
        with pytest.raises(Unavailable, match="421 too many of you"):
            Email(server, SENDER, TO).send(notice())


def test_a_server_that_hangs_up_is_away() -> None:
    def greet_only(connection: socket.socket) -> None:
        connection.sendall(b"220 hello\r\n")

    with answering(greet_only) as port:
        email = Email(Server("127.0.0.1", port, "none", timeout_s=5.0), SENDER, TO)
        with pytest.raises(Unavailable, match="cannot be used"):
            email.send(notice())


def test_nobody_there_is_away() -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        server = Server("127.0.0.1", closed_port.getsockname()[1], "none")
        with pytest.raises(Unavailable, match="Connection refused"):
            Email(server, SENDER, TO).send(notice())
