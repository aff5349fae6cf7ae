"""The client that signs in, and the session that results."""

from dataclasses import dataclass

from db.policy import Role


@dataclass(frozen=True, slots=True)
class SignedIn:
    """token: of the new session. generation: of the password, for the device cookie.

    age: how long the cookie of a persistent session lasts, in ms; 0 for a session that ends with the browser.
    """

    token: str
    member_id: int
    generation: int
    role: Role
    age: int = 0


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from.

    address: network address. network: what limits count by (the /64 of an IPv6 address). device: what the
    browser says it is. known_*: member, password generation and id in its device cookie, if that is
    authentic.
    """

    address: str
    network: str = ""
    device: str = ""
    known_member: int = 0
    known_generation: int = 0
    known_id: str = ""

    def id_for(self, member_id: int, generation: int) -> str:
        """The id in its device cookie; "" unless it signed in to this account since its last new password."""
        known = (self.known_member, self.known_generation) == (member_id, generation)
        return self.known_id if known else ""
