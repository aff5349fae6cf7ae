"""Signed links: invite link, invitation, password reset, address check, set-up. Pure; no database.

A token is `<id>.<mac>`; the mac is the first 24 bytes of HMAC-SHA256 under a key derived per purpose, over
purpose, id and the row's nonce. Nothing of a token is stored, and a nonce is never used twice.

Programs that find links in a text leave out punctuation at the end, so a token ends in a letter or digit.
They also take in characters around a link, which `token_in` cuts off again.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

MAC_BYTES: Final = 24
# Stands in for the nonce of an id that isn't there, so that an answer takes the same time.
DUMMY_NONCE: Final = "0" * 32
DEVICE_SECONDS: Final = 365 * 24 * 3600

_TOKEN: Final = re.compile(r"([1-9][0-9]{0,17})\.([A-Za-z0-9_-]{32})", re.ASCII)
# Tokens ended in these once, and go on to work.
_NOT_AT_THE_END: Final = {"-": "0", "_": "1"}
# Signs, blanks, and letters that nobody sees; no control characters and no broken bytes.
_AROUND: Final = r"(?:[^\w\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]|[_\u115f\u1160\u3164\uffa0])"
# Quoted-printable that nobody decoded: =3D behind `token`, and characters behind the token.
_SENT: Final = re.compile(
    rf"(?:3[Dd]|{_AROUND})*({_TOKEN.pattern})(?:=(?:[2-9A-Fa-f][0-9A-Fa-f]|0[9AaDd])|{_AROUND})*"
)
_DEVICE: Final = re.compile(
    r"([1-9][0-9]{0,17})\.([0-9]{1,18})\.([0-9]{1,12})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{32})", re.ASCII
)


def token_in(sent: str) -> str:
    """The token in what was sent, without the characters around it; anything else comes back as it is."""
    match = _SENT.fullmatch(sent)
    return match[1] if match else sent


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that has signed in to an account before."""

    member_id: int
    generation: int
    id: str


class Signer:
    """Makes and checks tokens. secret: the installation's SECRET_KEY."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def key(self, purpose: str) -> bytes:
        """A key of its own for each purpose."""
        return hmac.new(self._secret, f"gatehouse/{purpose}".encode(), hashlib.sha256).digest()

    def fingerprint(self) -> str:
        """What the database keeps to recognise the key; says nothing about it."""
        return self.key("fingerprint").hex()

    def token(self, purpose: str, link_id: int, nonce: str) -> str:
        """The token of a link's row."""
        mac = self._mac(purpose, str(link_id), nonce)
        return f"{link_id}.{mac[:-1]}{_NOT_AT_THE_END.get(mac[-1], mac[-1])}"

    def id_in(self, token: str) -> int:
        """The row's id that a token claims, 0 when it isn't even shaped like one. Not checked yet."""
        match = _TOKEN.fullmatch(token)
        return int(match[1]) if match else 0

    def matches(self, purpose: str, token: str, nonce: str | None) -> bool:
        """Whether the token is the one of the row with this nonce; None, no such row, takes as long."""
        match = _TOKEN.fullmatch(token)
        link_id, mac = (match[1], match[2]) if match else ("0", "")
        expected = self._mac(purpose, link_id, nonce or DUMMY_NONCE)
        if mac and mac[-1] == _NOT_AT_THE_END.get(expected[-1]):
            mac = mac[:-1] + expected[-1]
        return hmac.compare_digest(expected, mac) and nonce is not None

    def device_token(self, member_id: int, generation: int, now: int, device_id: str = "") -> str:
        """A cookie that says "this browser signed in to this account", for a year from `now` (seconds)."""
        body = (
            str(member_id),
            str(generation),
            str(now + DEVICE_SECONDS),
            device_id or secrets.token_urlsafe(16),
        )
        return ".".join((*body, self._mac("device", *body)))

    def device(self, cookie: str, now: int) -> Device | None:
        """The device behind a cookie, None when forged or too old. now in seconds."""
        match = _DEVICE.fullmatch(cookie)
        if match is None or not hmac.compare_digest(self._mac("device", *match.groups()[:4]), match[5]):
            return None
        if int(match[3]) <= now:
            return None
        return Device(member_id=int(match[1]), generation=int(match[2]), id=match[4])

    def _mac(self, purpose: str, *parts: str) -> str:
        message = "\0".join((purpose, *parts)).encode()
        digest = hmac.new(self.key(purpose), message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:MAC_BYTES]).decode()

    def seal(self, purpose: str, text: str) -> str:
        """The text with its mac, fit for a cookie; not secret."""
        body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return f"{body}.{self._mac(purpose, body)}"

    def unseal(self, purpose: str, sealed: str) -> str | None:
        """The text that was sealed, None when it wasn't."""
        body, _, mac = sealed.partition(".")
        if not hmac.compare_digest(self._mac(purpose, body).encode(), mac.encode()):
            return None
        return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
