"""The kinds of events as the activity page offers them: in groups, each group a choice of its own."""

from typing import Final

from handlers.organization.wording import EVENTS

# A kind that stands nowhere here belongs to the last group, whose own list is what is left.
_GROUPS: Final = {
    "sign-ins": (
        "Sign-ins",
        (
            "signed_in",
            "signed_out",
            "sign_in_refused",
            "limit_reached",
            "session_ended",
            "other_sessions_ended",
        ),
    ),
    "roles": ("Roles", ("role_changed", "end_set", "end_lifted", "ownership_handed_over")),
    "accounts": (
        "Accounts",
        (
            "registered",
            "accepted_invitation",
            "removed",
            "name_changed",
            "own_notices_switched",
            "address_confirmed",
            "confirmation_asked_for",
            "password_changed",
            "password_refused",
            "password_reset",
            "reset_asked_for",
        ),
    ),
    "invitations": ("Invitations", tuple(kind for kind in EVENTS if kind.startswith("invitation_"))),
    "requests": ("Requests to be let in", tuple(kind for kind in EVENTS if kind.startswith("request_"))),
    "links": ("Links", ("invite_link_reset", "link_limits_changed", "reset_link_made")),
}
_GROUPED: Final = {kind for _, kinds in _GROUPS.values() for kind in kinds}
# code in the address: what to call it, its kinds.
GROUPS: Final = {
    **_GROUPS,
    "house": ("Organization and server", tuple(kind for kind in EVENTS if kind not in _GROUPED)),
}
# What may stand for `kind` in the address, with the kinds that it means.
KINDS: Final[dict[str, tuple[str, ...]]] = {
    **{code: kinds for code, (_, kinds) in GROUPS.items()},
    **{kind: (kind,) for kind in EVENTS},
}


def label(kind: str) -> str:
    """A kind in a word or two: "Role changed"."""
    return kind.replace("_", " ").capitalize()
