"""The mail server's replies and errors, as one line that can be shown."""

import base64
import re
import socket
import ssl
from typing import Any, Final

from aiosmtplib import SMTPResponseException, SMTPServerDisconnected

from mailer.account import Account
from mailer.text import one_line

MAX_LENGTH: Final = 300
# By OpenSSL's X509_V_ERR_… codes.
_UNKNOWN_AUTHORITY: Final = (
    "its certificate is from no authority this machine knows; add the authority's to those of the system,"
    " or name its file in SSL_CERT_FILE"
)
_CERTIFICATE: Final = {
    9: "its certificate isn't valid yet",
    10: "its certificate has expired",
    18: f"its certificate is self-signed: {_UNKNOWN_AUTHORITY}",
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: "its certificate is for another host, look at EMAIL_HOST",
    64: "its certificate is for another host, look at EMAIL_HOST",
}
# A link's token.
_TOKEN: Final = re.compile(r"[0-9]+\.[A-Za-z0-9_-]{32}", re.ASCII)


def describe(reply: Any, account: Account) -> str:
    """A reply or an error as one line of at most 300 characters, without password or token."""
    if isinstance(reply, BaseException) and not isinstance(reply, SMTPResponseException):
        line = _describe_error(reply, account)
    else:
        line = f"{reply.code} {reply.message}"
    return _without_secrets(one_line(line), account).rstrip(".")[:MAX_LENGTH]


def _describe_error(error: BaseException, account: Account) -> str:
    chain = [error, *([error.__cause__] if error.__cause__ else [])]
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATE.get(
                cause.verify_code, f"its certificate isn't valid ({cause.verify_message})"
            )
        if isinstance(cause, ssl.SSLError):
            return (
                "TLS failed, perhaps it is no TLS port: look at EMAIL_USE_TLS, EMAIL_USE_SSL and EMAIL_PORT"
            )
        if isinstance(cause, socket.gaierror):
            return "no such host, look at EMAIL_HOST"
    if any(
        isinstance(cause, ConnectionRefusedError) or "Connect call failed" in str(cause) for cause in chain
    ):
        return "it refuses the connection, look at EMAIL_HOST and EMAIL_PORT"
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return f"no answer in time, and EMAIL_TIMEOUT is {account.timeout:g} s"
    if isinstance(error, SMTPServerDisconnected):
        return "it closed the connection"
    return str(error) or type(error).__name__


def _without_secrets(line: str, account: Account) -> str:
    """Servers repeat what was sent to them: the sign-in, or a link that looks like spam to them."""
    if account.password:
        signed_in = f"\0{account.user}\0{account.password}".encode()
        for secret in (
            account.password,
            base64.b64encode(account.password.encode()).decode(),
            base64.b64encode(signed_in).decode(),
        ):
            line = line.replace(secret, "…")
    return _TOKEN.sub("…", line)
