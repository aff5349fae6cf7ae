"""The sentences that count: one, several, and each thing beside them that there may be."""

import pytest

from db.auth.sessions import SessionLimits
from db.common.dates import DAY_MS
from db.invitations.creation import Batch
from db.members.directory import MemberFilter, MemberSummary
from db.policy import Role
from handlers.http.request.forms import Form
from handlers.organization.settings import settings_form
from handlers.organization.wording import batch_sentence, count_sentence


@pytest.mark.parametrize(
    ("batch", "mail", "sentence"),
    [
        (Batch(1, 1, 0, 0), True, "1 invitation is on the way."),
        (Batch(1, 1200, 0, 0), False, "1,200 invitations are made; hand the links over."),
        (
            Batch(1, 2, 1, 3),
            True,
            "2 invitations are on the way. 1 who waited has the role now. 3 were left alone.",
        ),
        (Batch(1, 0, 2, 1), True, "2 who waited have the role now. 1 was left alone."),
        (Batch(1, 0, 0, 0), True, "Nobody had to be invited."),
    ],
)
def test_a_sending_says_all_that_it_did(batch: Batch, mail: bool, sentence: str) -> None:
    assert batch_sentence(batch, mail=mail) == sentence


def listing(
    total: int, *, waiting: int = 0, away: int = 0, exact: bool = True, order: str = "-joined"
) -> MemberSummary:
    """A list of this many members who aren't away, and so many who are."""
    counts = dict.fromkeys(Role, 0)
    counts |= {Role.ANNOTATOR: total - waiting, Role.PENDING: waiting, Role.DEACTIVATED: away}
    return MemberSummary(counts, total, exact, order)


EVERYBODY, FOUND, OF_A_ROLE, BY_LINK = (
    MemberFilter(),
    MemberFilter(q="ada"),
    MemberFilter(roles=(Role.ANNOTATOR,)),
    MemberFilter(link=7),
)


@pytest.mark.parametrize(
    ("chosen", "shown", "sentence"),
    [
        (EVERYBODY, listing(1_200), "1,200 members"),
        (EVERYBODY, listing(3, waiting=2), "3 members, 2 of them waiting"),
        (EVERYBODY, listing(1, away=1), "1 member. 1 deactivated not shown"),
        (EVERYBODY, listing(3, waiting=1, away=4), "3 members, 1 of them waiting. 4 deactivated not shown"),
        (OF_A_ROLE, listing(1), "1 of 1 member"),
        (OF_A_ROLE, listing(2, away=3), "2 of 5 members"),
        (FOUND, listing(1, away=2), "1 member found, of 3"),
        (
            FOUND,
            listing(1_000, exact=False),
            "More than 1,000 members found; the newest 1,000 are listed, newest first",
        ),
        (BY_LINK, listing(1), "1 member came by this link, newest first"),
        (BY_LINK, listing(2, order="joined"), "2 members came by this link, oldest first"),
        (BY_LINK, listing(1_000, exact=False), "More than 1,000 members came by this link, newest first"),
        (
            BY_LINK,
            listing(1_000, exact=False, order="joined"),
            "More than 1,000 members came by this link, oldest first",
        ),
    ],
)
def test_the_count_says_what_is_shown(chosen: MemberFilter, shown: MemberSummary, sentence: str) -> None:
    assert count_sentence(chosen, shown) == sentence


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("foo", "“foo” is no domain."),
        ("foo bar", "“foo”, “bar” are no domains."),
        ("a b c d e f g", "“a”, “b”, “c”, “d”, “e” and 2 more are no domains."),
    ],
)
def test_wrong_domains_are_named_up_to_five(typed: str, sentence: str) -> None:
    form = Form(settings_form.FIELDS, {"link_domains": [typed]})

    settings_form.change_of(form, SessionLimits(persistent=DAY_MS, idle=DAY_MS))

    (said,) = form.errors["link_domains"]
    assert said.startswith(sentence)
