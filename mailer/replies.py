"""The mail server's words: its answers and what failed, in one line fit to be shown."""

import base64
import re
import socket
import ssl
from typing import Any, Final

from aiosmtplib import SMTPResponseException, SMTPServerDisconnected

from mailer.account import Account
from mailer.text import one_line

MAX_WORDS: Final = 300
# OpenSSL's X509_V_ERR_… codes.
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
_TOKEN: Final = re.compile(r"[0-9]+\.[A-Za-z0-9_-]{32}", re.ASCII)


def words_of(answer: Any, account: Account) -> str:
    """An answer or an error in one line of at most 300 characters, without password or token."""
    if isinstance(answer, SMTPResponseException):
        words = f"{answer.code} {answer.message}"
    elif isinstance(answer, BaseException):
        words = _words_of_error(answer, account)
    else:
        words = f"{answer.code} {answer.message}"
    return _without_secrets(one_line(words), account).rstrip(".")[:MAX_WORDS]


def _words_of_error(error: BaseException, account: Account) -> str:
    chain = [error, *([error.__cause__] if error.__cause__ else [])]
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return _CERTIFICATE.get(one.verify_code, f"its certificate isn't valid ({one.verify_message})")
        if isinstance(one, ssl.SSLError):
            return (
                "TLS failed, perhaps it is no TLS port: look at EMAIL_USE_TLS, EMAIL_USE_SSL and EMAIL_PORT"
            )
        if isinstance(one, socket.gaierror):
            return "no such host, look at EMAIL_HOST"
    if any(isinstance(one, ConnectionRefusedError) or "Connect call failed" in str(one) for one in chain):
        return "it refuses the connection, look at EMAIL_HOST and EMAIL_PORT"
    if any(isinstance(one, TimeoutError) for one in chain):
        return f"no answer in time, and EMAIL_TIMEOUT is {account.timeout:g} s"
    if isinstance(error, SMTPServerDisconnected):
        return "it closed the connection"
    return str(error) or type(error).__name__


def _without_secrets(words: str, account: Account) -> str:
    """A server may repeat what it was told: the sign-in, or a link that it thinks is spam."""
    if account.password:
        signed_in = f"\0{account.user}\0{account.password}".encode()
        for secret in (
            account.password,
            base64.b64encode(account.password.encode()).decode(),
            base64.b64encode(signed_in).decode(),
        ):
            words = words.replace(secret, "…")
    return _TOKEN.sub("…", words)
