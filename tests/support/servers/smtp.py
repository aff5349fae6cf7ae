"""A real SMTP server on loopback. It accepts mails, or rejects, hangs or drops them as a test wants."""

import asyncio
import shutil
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from settings import Mail

USER, PASSWORD = "mail-user", "a very secret sign-in"


@dataclass
class ReceivedMail:
    """A mail that the server has received completely."""

    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, kind: str) -> str:
        """The text of the part "plain" or "html"."""
        body = self.message.get_body((kind,))
        assert isinstance(body, EmailMessage)
        text = body.get_content()
        assert isinstance(text, str)
        return text.replace("\r\n", "\n")

    @property
    def text(self) -> str:
        return self.part("plain")

    @property
    def html(self) -> str:
        return self.part("html")


@dataclass
class Server:
    """What the server does; a test may change it meanwhile. Replies are lines: "550 5.1.1 No such user"."""

    port: int = 0
    # By recipient: the reply to RCPT, and to the mail itself.
    refuse: dict[str, str] = field(default_factory=dict)
    refuse_data: dict[str, str] = field(default_factory=dict)
    refuse_sender: str = ""
    # Recipients whose mail gets no reply, or is accepted just before the connection is cut.
    hang: set[str] = field(default_factory=set)
    drop: set[str] = field(default_factory=set)
    # Recipients whose mail has arrived and waits for its reply.
    hanging: set[str] = field(default_factory=set)
    seconds_per_mail: float = 0.0
    received: list[ReceivedMail] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    max_connections: int = 1_000

    def account(self, **changed: Any) -> Mail:
        """The settings for sending mail by this server."""
        values: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "user": "",
            "password": "",
            "use_tls": False,
            "use_ssl": False,
            "timeout": 5.0,
            "sender": "Fenwick Herbarium <members@fenwick.example>",
        }
        return Mail(**{**values, **changed})

    def to(self, recipient: str) -> list[ReceivedMail]:
        return [mail for mail in self.received if mail.recipient == recipient]

    # The hooks of aiosmtpd

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_sender:
            return self.refuse_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        (recipient,) = envelope.rcpt_tos
        if recipient in self.refuse_data:
            return self.refuse_data[recipient]
        if recipient in self.hang:
            self.hanging.add(recipient)
            await asyncio.sleep(3600)
        await asyncio.sleep(self.seconds_per_mail)
        assert isinstance(envelope.original_content, bytes)
        self.received.append(ReceivedMail(recipient, envelope.original_content))
        if recipient in self.drop:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            await asyncio.sleep(3600)
        return "250 2.0.0 Queued as 4F2A"

    def authenticator(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> AuthResult:
        self.signed_in.append(data.login.decode())
        good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        # A careless server repeats the password.
        reply = None if good else f"535 5.7.8 Sign-in {data.password.decode()} is wrong"
        return AuthResult(success=good, handled=False, message=reply)


class CountedConnection(SMTP):
    """Counts itself out when it is closed."""

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.open_connections -= 1
        super().connection_lost(error)


class TooManyConnections(asyncio.Protocol):
    """Rejects a connection beyond max_connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"421 4.7.0 Too many connections from you\r\n")
        transport.close()


@asynccontextmanager
async def serving(
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    auth: bool = False,
) -> AsyncIterator[Server]:
    """A server on 127.0.0.1. tls: from the first byte. starttls: offered. auth: sign-in is required."""
    server = Server()
    loop = asyncio.get_running_loop()

    def connected() -> asyncio.Protocol:
        server.connections += 1
        if server.open_connections >= server.max_connections:
            return TooManyConnections()
        server.open_connections += 1
        with warnings.catch_warnings():
            # It warns of a sign-in without TLS, which is what some tests are about.
            warnings.simplefilter("ignore", UserWarning)
            return CountedConnection(
                server,
                hostname="mail.fenwick.example",
                loop=loop,
                tls_context=starttls,
                require_starttls=starttls is not None,
                auth_required=auth,
                auth_require_tls=starttls is not None,
                authenticator=server.authenticator,
            )

    listening = await loop.create_server(connected, "127.0.0.1", port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        # What hangs is cancelled with the connection it hangs on.
        for task in asyncio.all_tasks():
            if "_handle_client" in getattr(task.get_coro(), "__qualname__", ""):
                task.cancel()
        await asyncio.sleep(0)


# The replies of a scripted server: its greeting, then one for each command, by its first word.
SCRIPT = {
    "": b"220 mail.fenwick.example\r\n",
    "EHLO": b"250 mail.fenwick.example\r\n",
    "HELO": b"250 mail.fenwick.example\r\n",
    "MAIL": b"250 OK\r\n",
    "RCPT": b"250 OK\r\n",
    "RSET": b"250 OK\r\n",
    "DATA": b"354 Go on\r\n",
    ".": b"250 2.0.0 Queued as 4F2A\r\n",
    "QUIT": b"221 Bye\r\n",
}


@asynccontextmanager
async def scripted(**answers: bytes) -> AsyncIterator[Server]:
    """A server that gives these replies, byte for byte, in place of those in SCRIPT.

    answers: by the first word of a command in lower case. greeting: the first line. taken: the reply to a
    mail.
    """
    names = {"greeting": "", "taken": "."}
    script = SCRIPT | {names.get(name, name.upper()): answer for name, answer in answers.items()}
    server = Server()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        writer.write(script[""])
        recipient = ""
        while line := await reader.readline():
            command = line.split(b" ")[0].strip().decode("latin-1").upper()
            if command == "RCPT":
                recipient = line.decode("latin-1").partition("<")[2].partition(">")[0]
            writer.write(script.get(command, b"502 5.5.2 Not known\r\n"))
            if command == "DATA" and script["DATA"].startswith(b"354"):
                raw = await reader.readuntil(b"\r\n.\r\n")
                server.received.append(ReceivedMail(recipient, raw[:-3]))
                writer.write(script["."])
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


@asynccontextmanager
async def silent() -> AsyncIterator[Server]:
    """A server that takes connections and never says a word."""
    server, writers = Server(), []

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        writers.append(writer)

    listening = await asyncio.start_server(listen, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()


# Certificates


class Certificates:
    """An authority of our own, and certificates for localhost, all made with the openssl command."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            raise RuntimeError("The tests of mail need the openssl command: apt install openssl")
        self._folder = folder
        self._openssl(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "30",
            "-subj",
            "/CN=Fenwick Test Authority",
        )
        self.authority = folder / "ca.pem"

    def server(self, name: str = "localhost", *, days: int = 30) -> ssl.SSLContext:
        """A context for a server whose certificate is for this name. days: negative for an expired one."""
        stem = f"{name}{days}"
        self._openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{stem}.key",
            "-out",
            f"{stem}.csr",
            "-subj",
            f"/CN={name}",
        )
        (self._folder / f"{stem}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        self._openssl(
            "x509",
            "-req",
            "-in",
            f"{stem}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            f"{stem}.pem",
            "-days",
            str(days),
            "-extfile",
            f"{stem}.ext",
        )
        return self._context(stem)

    def files(self, name: str = "localhost", *, days: int = 30) -> tuple[Path, Path]:
        """Certificate and key of a server that was made before."""
        return self._folder / f"{name}{days}.pem", self._folder / f"{name}{days}.key"

    def self_signed(self) -> ssl.SSLContext:
        self._openssl(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "self.key",
            "-out",
            "self.pem",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        )
        return self._context("self")

    def trusting(self) -> ssl.SSLContext:
        """What a client has whose machine knows our authority."""
        return ssl.create_default_context(cafile=str(self.authority))

    def _context(self, stem: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        return context

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)
