"""Passwords: which are accepted, and argon2id; guessing and hashing each in a thread of its own.

Rules (ASVS 5.0 6.2.1–6.2.11, NIST SP 800-63B-4): 12 to 256 characters counted as typed, any of them, verified
exactly after NFC, refused when zxcvbn scores 0 or 1, when it is a common one, also with something around it
(common_passwords), and when too little is left of it without the words known of its owner (known_words).
"""

import math
import unicodedata
from collections.abc import Iterable
from itertools import permutations
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from db import engine
from db.auth import common_passwords, known_words
from db.auth.fair_queue import NO_REQUESTER, FairQueue, Requester
from db.common import addresses
from messages import by_field

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 256
ZXCVBN_CHARACTERS: Final = 72
MIN_SCORE: Final = 2
MAX_HINTS: Final = 20
# What zxcvbn reads as the same letter: a, c, g, i or l, s, t.
LOOKALIKES: Final = ("4@", "({[<", "69", "1!|7", "$5", "+7")
MAX_READINGS: Final = 16

# 19 MiB, two passes, one lane: OWASP's first choice for argon2id; about 20 ms.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# A burst of sign-ins waits here and doesn't slow other pages, nor does it wait for somebody's new password.
_hashing = FairQueue("argon2")
_guessing = FairQueue("zxcvbn")
_dummy = ""


async def why_refused(
    password: str, about: Iterable[str], *, requester: Requester = NO_REQUESTER
) -> list[str]:
    """The sentences that say why this password isn't accepted; none when it is.

    about: address, names, title, and the names of the app and the server, which a password should not
    be made of. requester: whose password it is. Raises Busy when too many wait.
    """
    if len(password) < MIN_CHARACTERS:
        too_short = by_field.AT_LEAST.format(least=MIN_CHARACTERS, count=len(password))
        return [too_short if password else by_field.ENTER_A_PASSWORD]
    if len(password) > MAX_CHARACTERS:
        return [by_field.AT_MOST.format(most=MAX_CHARACTERS, count=len(password))]
    known = [part for part in about if part]
    known += [shown for part in known if (shown := addresses.unicode_domain(part))]
    reason = await _guessing.do(requester, _why_guessable, password, tuple(known))
    return [reason] if reason else []


async def hash_of(password: str, *, requester: Requester = NO_REQUESTER) -> str:
    """The argon2id hash to store. Raises Busy when too many wait."""
    return await _hashing.do(requester, _hasher.hash, _normal(password))


async def matches(stored: str, password: str, *, requester: Requester = NO_REQUESTER) -> bool:
    """Whether the password is the stored one. "" stands for nobody and costs the same time."""
    return await _hashing.do(requester, _verify, stored, _normal(password))


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _verify(stored: str, password: str) -> bool:
    global _dummy
    if not _dummy:
        _dummy = _hasher.hash("nobody has this password")
    try:
        _hasher.verify(stored or _dummy, password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


def _why_guessable(password: str, about: tuple[str, ...]) -> str:
    """Why somebody would guess it, "" if hardly anybody would."""
    left = known_words.left(password, about)
    if left is not None and _is_little(left, about):
        return by_field.MADE_OF_KNOWN
    if _is_common(password, about) or _score(password, about) < MIN_SCORE:
        return by_field.GUESSED_PASSWORD
    return ""


def _is_little(left: str, about: tuple[str, ...]) -> bool:
    """Whether what is left of a password is too short, or easily guessed."""
    return len(left) < known_words.MIN_LEFT or _score(left, about) < MIN_SCORE


def _is_common(password: str, about: tuple[str, ...]) -> bool:
    """Whether it is a common one, also with trimmings around it, or hardly more than trimmings."""
    if common_passwords.holds(password):
        return True
    # Digits and symbols count here: a year comes up in many a row of random digits.
    rest, trimmings = known_words.TRIMMINGS.subn("", unicodedata.normalize("NFKC", password))
    return trimmings > 0 and _is_little(rest, about)


def _score(password: str, about: tuple[str, ...]) -> int:
    # Imported at first use: its word lists take 12 MB, in each process, also of one that judges no password.
    from zxcvbn import zxcvbn

    words = [word for part in about for word in part.replace("@", " ").replace(".", " ").split()]
    # Two words run together, like adalovelace, are no better than one.
    inputs = [*about, *words, *("".join(pair) for pair in permutations(words[:MAX_HINTS], 2))]
    score: int = zxcvbn(_readable(password[:ZXCVBN_CHARACTERS]), user_inputs=inputs)["score"]
    return score


def _readable(password: str) -> str:
    """The password with at most one symbol for each letter (4 and @ for a), if there are too many kinds.

    The estimate tries every reading of all symbols: without this a password full of them takes 15 seconds.
    """
    symbols = [[char for char in kinds if char in password] for kinds in LOOKALIKES]
    if math.prod(len(kinds) or 1 for kinds in symbols) <= MAX_READINGS:
        return password
    return password.translate({ord(char): kinds[0] for kinds in symbols for char in kinds[1:]})


async def password_hints(email: str, *names: str) -> list[str]:
    """What a password of this person should not be made of: address, names, the organization's title."""
    titles = await engine.read(engine.rows, "SELECT title FROM organization")
    return [email, *names, *(title for (title,) in titles)]
