"""The kinds of events in groups, as the filter of the activity page offers them."""

from typing import Final

from messages import logbook
from messages.logbook import EVENTS

# A kind in none of these groups belongs to the last group ("house").
_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "sign-ins": (
        "signed_in",
        "signed_out",
        "sign_in_refused",
        "limit_reached",
        "session_ended",
        "other_sessions_ended",
        "member_session_ended",
        "member_sessions_ended",
    ),
    "roles": ("role_changed", "end_set", "end_lifted", "ownership_handed_over"),
    "accounts": (
        "registered",
        "accepted_invitation",
        "removed",
        "name_erased",
        "name_changed",
        "name_corrected",
        "own_notices_switched",
        "address_confirmed",
        "confirmation_asked_for",
        "password_changed",
        "password_refused",
        "password_reset",
        "reset_asked_for",
    ),
    "invitations": tuple(kind for kind in EVENTS if kind.startswith("invitation_")),
    "requests": tuple(kind for kind in EVENTS if kind.startswith("request_")),
    "links": ("invite_link_reset", "link_limits_changed", "reset_link_made"),
}
_GROUPED: Final = {kind for kinds in _GROUPS.values() for kind in kinds}
_KINDS_OF_GROUPS: Final = {**_GROUPS, "house": tuple(kind for kind in EVENTS if kind not in _GROUPED)}
# By the code in the address: the name of the group, and its kinds.
GROUPS: Final = {code: (logbook.GROUPS[code], kinds) for code, kinds in _KINDS_OF_GROUPS.items()}
# Each value of `kind` in the address, with the kinds that it means.
KINDS: Final[dict[str, tuple[str, ...]]] = {**_KINDS_OF_GROUPS, **{kind: (kind,) for kind in EVENTS}}
