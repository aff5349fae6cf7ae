"""The list of invitations: states, filter, search, pages and counts."""

from types import ModuleType

import pytest

from db import engine
from db.common.dates import DAY_MS
from db.errors import Invalid, Refused
from db.invitations import listing as invitation_listing
from db.invitations import management
from db.invitations.listing import PAGE_SIZE, InvitationFilter
from db.members import removal, roles
from db.policy import Role
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.steps.invitation_steps import accept, invite, invited, listed, mailed, one, state
from tests.support.steps.member_steps import acting, olga


async def test_each_state_is_told_filtered_and_counted(posting: Site, clock: ModuleType) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    old = await invited(posting, "expired")
    clock.move(8 * DAY_MS)
    for name in ("queued", "sent", "refused", "accepted", "revoked", "joined"):
        line = await invited(posting, name)
        if name != "queued":
            await mailed(line)
    await invited(posting, "void", by=acting(posting, "alma"))
    await engine.write(
        engine.execute,
        "UPDATE outbox SET state = 'failed', server_reply = '550 5.1.1 No such user' WHERE recipient LIKE"
        " 'refused%'",
    )
    await accept(posting, await one("accepted@example.org"))
    await management.revoke(olga(posting), invitation_ids=[(await one("revoked@example.org")).id])
    await roles.change_role(olga(posting), member_id=posting.ids["alma"], role=Role.MANAGER)
    await posting.person("joined", Role.REVIEWER, joined_via="link")

    for name in ("expired", "queued", "sent", "refused", "accepted", "revoked", "void", "joined"):
        assert await state(f"{name}@example.org") == name
    assert (await one("refused@example.org")).server_reply == "550 5.1.1 No such user"
    assert await invitation_listing.counts() == {
        "asked": 0,
        "open": 3,
        "refused": 1,
        "accepted": 1,
        "joined": 1,
        "expired": 1,
        "revoked": 2,
    }
    assert await listed(state="open") == [f"{name}@example.org" for name in ("refused", "sent", "queued")]
    assert await listed(state="revoked") == ["void@example.org", "revoked@example.org"]
    assert await listed(state="expired") == [old.email]
    assert await listed(state="refused") == ["refused@example.org"]
    assert await listed(state="accepted") == ["accepted@example.org"]
    assert await listed(state="joined") == ["joined@example.org"]
    assert len(await listed()) == 8


async def test_an_invitation_of_somebody_who_got_a_role_without_it_is_open_no_more_until_undo(
    site: Site, clock: ModuleType
) -> None:
    line, late = await invited(site, "ada"), await invited(site, "bea")
    clock.move(8 * DAY_MS)
    await management.resend(olga(site), invitation_ids=[line.id], days=7, throttle=site.context.throttle)
    ids = [await site.person(name, joined_via="link") for name in ("ada", "bea")]
    waiting = [await state(each.email) for each in (line, late)]

    await roles.change_roles(olga(site), member_ids=ids, role=Role.ANNOTATOR)
    joined = [await state(each.email) for each in (line, late)]
    assert await engine.read(invitation_listing.count_open) == 0
    assert not (await one(line.email)).is_open(clock.now())
    for change in (
        management.resend(olga(site), invitation_ids=[line.id], days=7, throttle=site.context.throttle),
        management.revoke(olga(site), invitation_ids=[line.id]),
        management.mark_link_revealed(olga(site), [line.id]),
        management.change_role(olga(site), invitation_id=line.id, role=Role.MANAGER),
    ):
        with pytest.raises(Refused, match="joined another way"):
            await change
    await roles.undo(olga(site), given=Role.ANNOTATOR, before=dict.fromkeys(ids, Role.PENDING))

    assert (waiting, joined) == (["unsent", "expired"], ["joined", "joined"])
    assert [await state(each.email) for each in (line, late)] == waiting
    assert await engine.read(invitation_listing.count_open) == 1


async def test_it_is_searched_by_address_name_and_inviter(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    await invite(site, "Zoë Müller <zoe@example.org>, 100%_sure@example.org, 100xysure@example.org")
    await invite(site, "ben@example.org", by=acting(site, "alma"))

    assert await listed(q="MULLER") == ["zoe@example.org"]
    for spelling in ("müller zoe", "mueller", "uelle"):
        assert await listed(q=spelling) == ["zoe@example.org"]
    assert await listed(q="%_s") == ["100%_sure@example.org"]
    assert await listed(q="alma") == ["ben@example.org"]
    assert len(await listed(q="olga")) == 3
    assert await listed(q="\\") == []
    assert await listed(q="ben olga") == []


async def test_pages_lead_to_each_other(site: Site) -> None:
    count = 2 * PAGE_SIZE + 1
    await invite(site, " ".join(f"guest{n:03}@example.org" for n in range(count)))

    first = await invitation_listing.page(InvitationFilter())
    second = await invitation_listing.page(InvitationFilter(after=first.older))
    third = await invitation_listing.page(InvitationFilter(after=second.older))
    back = await invitation_listing.page(InvitationFilter(before=third.newer))

    shown = [line.email for page in (first, second, third) for line in page.rows]
    assert shown == [f"guest{n:03}@example.org" for n in reversed(range(count))]
    assert (first.newer, third.older, len(third.rows)) == (0, 0, 1)
    assert back.rows == second.rows
    assert {page.total for page in (first, second, third)} == {count}
    assert [page.offset for page in (first, second, third, back)] == [0, 50, 100, 50]


async def test_how_many_come_before_a_page_counts_the_open_ones_first(site: Site) -> None:
    await invite(site, " ".join(f"guest{n:03}@example.org" for n in range(120)))
    ids = [line.id for line in (await invitation_listing.page(InvitationFilter())).rows]
    await management.revoke(olga(site), invitation_ids=ids)

    offsets, shown = list[int](), InvitationFilter()
    while True:
        page = await invitation_listing.page(shown)
        offsets.append(page.offset)
        if not page.older:
            break
        shown = InvitationFilter(after=page.older)
    revoked = await invitation_listing.page(InvitationFilter(state="revoked"))

    assert offsets == [0, 50, 100]
    assert (revoked.offset, revoked.total) == (0, 50)


async def test_a_sending_is_listed_by_itself(site: Site) -> None:
    first = await invite(site, "ada@example.org ben@example.org")
    second = await invite(site, "cleo@example.org ben@example.org")

    assert await listed(batch=first.id) == ["ada@example.org"]
    assert await listed(batch=second.id) == ["cleo@example.org", "ben@example.org"]
    assert [line.email for line in await invitation_listing.of_batch(second.id)] == [
        "ben@example.org",
        "cleo@example.org",
    ]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"q": ["x" * 201]}, {"q"}),
        ({"q": ["a\tb"]}, {"q"}),
        ({"q": ["a", "b"]}, {"q"}),
        ({"state": ["open", "open"], "after": ["x"]}, {"state", "after"}),
        ({"state": ["asleep"]}, {"state"}),
        ({"batch": ["0"]}, {"batch"}),
        ({"after": ["--1"]}, {"after"}),
        ({"before": ["9" * 19]}, {"before"}),
        ({"before": ["１"]}, {"before"}),
    ],
)
def test_wrong_parameters_are_errors_of_their_fields(query: dict[str, list[str]], wrong: set[str]) -> None:
    with pytest.raises(Invalid) as refusal:
        InvitationFilter.parse(query)

    assert set(refusal.value.errors) == wrong


def test_a_filter_stands_in_its_address() -> None:
    chosen = InvitationFilter(q="a&b", state="open", batch=3)

    assert chosen.address(after=7) == "q=a%26b&state=open&batch=3&after=7"
    assert InvitationFilter.parse({"q": ["a&b"], "state": ["open"], "batch": ["3"]}) == chosen


@ON_SQLITE
async def test_an_inviter_who_is_gone_is_no_empty_name(site: Site) -> None:
    alma = await site.person("alma", Role.ADMINISTRATOR)
    await invited(site, "ada", by=acting(site, "alma"))

    await removal.remove(olga(site), member_id=alma)

    assert (await one("ada@example.org")).inviter == "a removed member"


async def test_the_open_ones_stand_first_on_all_pages_both_ways(site: Site) -> None:
    ends = range(0, 130, 2)
    await invite(site, ", ".join(f"a{number:03}@example.org" for number in range(130)))
    everybody = await engine.rows("SELECT id, email FROM invitation ORDER BY id")
    ended = [everybody[number][0] for number in ends]
    await management.revoke(olga(site), invitation_ids=ended)
    expected = [email for id, email in reversed(everybody) if id not in ended]
    expected += [email for id, email in reversed(everybody) if id in ended]

    pages = [await invitation_listing.page(InvitationFilter())]
    while pages[-1].older:
        pages.append(await invitation_listing.page(InvitationFilter(after=pages[-1].older)))
    back = [pages[-1]]
    while back[-1].newer:
        back.append(await invitation_listing.page(InvitationFilter(before=back[-1].newer)))

    assert [line.email for page in pages for line in page.rows] == expected
    assert [page.rows for page in back] == [page.rows for page in reversed(pages)]


async def test_a_place_among_the_open_ones_stays_there_when_its_invitation_ends(site: Site) -> None:
    await invite(site, ", ".join(f"a{number:03}@example.org" for number in range(60)))
    first = await invitation_listing.page(InvitationFilter())
    shown = InvitationFilter.parse({"after": [str(first.older)]})
    await management.revoke(olga(site), invitation_ids=[first.rows[-1].id])

    second = await invitation_listing.page(shown)

    assert len([line for line in second.rows if not line.end_reason]) == 10
    assert second.rows[10].id == first.rows[-1].id
