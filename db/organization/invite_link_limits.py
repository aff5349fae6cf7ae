"""The limits of the invite link, as the Owner has settled them: until when, how often, for which domains.

They hold for the present link and for every later one, the domains also for the open sign-up page; none of
them holds for invitations. A domain is exact; `*.example.org` stands for everything below example.org, at any
depth, and not for example.org itself.
"""

from dataclasses import dataclass
from typing import Final, Literal

from db import engine
from db.auth import links
from db.auth.links import Link
from db.common import addresses, clock
from db.common.addresses import Address
from db.common.dates import DAY_MS
from messages import by_field, phrases

MAX_DOMAINS: Final = 50
DOMAINS_NAMED: Final = 12
BELOW: Final = "*."
Ends = Literal["never", "after", "on"]


class NotADomain(ValueError):
    """The text is no domain; the message is that text."""


@dataclass(frozen=True, slots=True)
class End:
    """ends: never, `days` after each reset, or `on` an instant in ms. What doesn't count is 0."""

    ends: Ends = "never"
    days: int = 0
    at: int = 0

    def of(self, made_at: int) -> int:
        """When a link made at this instant ends, in ms, 0 for never."""
        return made_at + self.days * DAY_MS if self.ends == "after" else self.at


@dataclass(frozen=True, slots=True)
class Limits:
    """max_uses: 0 for no limit. domains: A-labels, () for all."""

    end: End
    max_uses: int
    domains: tuple[str, ...]

    def lets_in(self, address: Address) -> bool:
        """Whether somebody with this address may register by the link or the sign-up page."""
        host = address.key.rpartition("@")[2]
        return not self.domains or any(
            host == domain or (domain.startswith(BELOW) and host.endswith(domain[1:]))
            for domain in self.domains
        )

    def why_not(self, address: Address) -> list[str]:
        """The sentence for the person in front of the form; empty when they may register."""
        return [] if self.lets_in(address) else [by_field.OTHER_DOMAIN.format(where=self.where)]

    @property
    def where(self) -> str:
        """The domains in words: "at example.org or below example.net"; "" when all may register."""
        named = [
            (phrases.BELOW_DOMAIN if domain.startswith(BELOW) else phrases.AT_DOMAIN).format(
                domain=addresses.shown_domain(domain.removeprefix(BELOW))
            )
            for domain in self.domains[:DOMAINS_NAMED]
        ]
        rest = len(self.domains) - len(named)
        named += [phrases.AT_MORE_DOMAINS.format(rest)] if rest else []
        if len(named) < 2:
            return "".join(named)
        return phrases.ONE_OR_THE_LAST.format(others=", ".join(named[:-1]), last=named[-1])


async def settled(lock: str = "") -> Limits:
    """Inside a read or write: the limits as they are now. lock: what the SELECT ends with."""
    ((ends, days, at, max_uses, domains),) = await engine.rows(
        f"SELECT link_ends, link_days, link_ends_at, link_max_uses, link_domains FROM organization{lock}"
    )
    return Limits(End(ends, days, at), max_uses, tuple(domains.split()))


async def held() -> Limits:
    """Inside a write: the limits, which nobody changes until it is committed; many may hold them at once."""
    return await settled(engine.for_share())


async def make(made_by: int = 0) -> Link:
    """Inside a write: a new invite link with these limits."""
    limits = await settled()
    return await links.make(
        links.INVITE, made_by=made_by, expires_at=limits.end.of(clock.now()), max_uses=limits.max_uses
    )


def parse_domain(text: str) -> str:
    """One domain as it is compared: A-labels, lower case, perhaps with `*.` in front. Raises NotADomain."""
    typed = text.removeprefix("@")
    below = BELOW if typed.startswith(BELOW) else ""
    try:
        key = addresses.parse(f"somebody@{typed.removeprefix(below).removesuffix('.')}").key
    except addresses.NotAnAddress:
        raise NotADomain(text) from None
    return below + key.rpartition("@")[2]
