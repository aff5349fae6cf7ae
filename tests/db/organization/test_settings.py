"""What the Owner settles: written where it differs, told with before and after, and by the Owner alone."""

import secrets
from typing import Any

import pytest

from db import engine
from db.common.dates import DAY_MS
from db.errors import Invalid, NotAllowed
from db.organization import invite_link
from db.organization import settings as organization_settings
from db.organization.invite_link_limits import End
from db.organization.settings import SettingsChange
from db.policy import COMMAND_LINE, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, hand_over, olga, register

NOON = 1_796_558_400_000  # 6 Dec 2026, 12:00 UTC
EVERYTHING = SettingsChange(
    title="Fenwick & Daughters",
    link_end=End("after", days=14),
    link_max_uses=10,
    link_domains=("example.org", "*.example.net"),
    notice_waiting="owner",
    notice_asked="nobody",
    notice_ending="owner",
    session_age=7 * DAY_MS,
    session_idle=DAY_MS,
    may_ask=True,
    notes={Role.ANNOTATOR: "Labels leaves"},
)
TOLD = [
    ("title_changed", "Fenwick Herbarium", "Fenwick & Daughters"),
    ("link_limits_changed", "no end", "14 days after each reset"),
    ("link_limits_changed", "any number of uses", "10 uses"),
    ("link_limits_changed", "any domain", "example.org, *.example.net"),
    ("notices_changed", "somebody waits: Owner and Administrators", "somebody waits: the Owner"),
    (
        "notices_changed",
        "somebody asks for access: Owner and Administrators",
        "somebody asks for access: nobody",
    ),
    (
        "notices_changed",
        "a membership is about to end: Owner and Administrators",
        "a membership is about to end: the Owner",
    ),
    ("session_ages_changed", "as long as the environment allows in all", "7 days in all"),
    ("session_ages_changed", "as long as the environment allows unused", "1 day unused"),
    ("asking_switched", "off", "on"),
    ("role_note_changed", "Annotator: nothing", "Annotator: Labels leaves"),
]


async def told() -> list[tuple[Any, ...]]:
    return await engine.rows(
        "SELECT kind, before, after FROM activity WHERE kind LIKE '%changed' OR kind LIKE '%switched'"
        " ORDER BY id"
    )


async def test_as_many_and_as_long_domains_as_there_may_be_are_settled_and_told(site: Site) -> None:
    first, second = (
        tuple(".".join(secrets.token_hex(30) for _ in range(4)) for _ in range(50)) for _ in range(2)
    )

    for domains in (first, (*first[:49], second[0]), second):
        rules = await organization_settings.change(olga(site), SettingsChange(link_domains=domains))
        assert rules.link_domains == domains

    (_, before, after), _ = (await told())[1:]
    assert (before[:243], before[-12:]) == (first[49], " and 46 more")
    assert (after[:243], after[-12:]) == (second[0], " and 46 more")


async def test_each_changed_thing_is_written_and_told_once_with_before_and_after(site: Site) -> None:
    rules = await organization_settings.change(olga(site), EVERYTHING)

    assert await told() == TOLD
    assert rules == await organization_settings.current()
    assert (rules.title, rules.link_end, rules.may_ask) == ("Fenwick & Daughters", End("after", 14), True)
    assert rules.notes[Role.ANNOTATOR] == "Labels leaves"
    assert {actor for (actor,) in await engine.rows("SELECT actor_id FROM activity WHERE before <> ''")} == {
        site.ids["olga"]
    }


async def test_what_is_so_already_is_neither_written_nor_told(site: Site) -> None:
    await organization_settings.change(olga(site), EVERYTHING)

    await organization_settings.change(olga(site), EVERYTHING)
    await organization_settings.change(olga(site), SettingsChange())

    assert await told() == TOLD


async def test_words_for_a_role_are_taken_back(site: Site) -> None:
    await organization_settings.change(
        olga(site), SettingsChange(notes={Role.OWNER: "Pays", Role.MANAGER: "Plans"})
    )

    await organization_settings.change(olga(site), SettingsChange(notes={Role.OWNER: ""}))

    assert await organization_settings.notes() == {Role.MANAGER: "Plans"}
    assert (await told())[-1] == ("role_note_changed", "Owner: Pays", "Owner: nothing")


async def test_nobody_but_the_owner_changes_anything(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await hand_over(site, "ada")
    await site.person("bob", Role.MANAGER)

    # An Owner's actor that is out of date is nobody's.
    for actor in (olga(site), acting(site, "bob", Role.OWNER), COMMAND_LINE):
        with pytest.raises(NotAllowed):
            await organization_settings.change(actor, SettingsChange(title="Mine"))

    assert (
        await organization_settings.change(acting(site, "ada", Role.OWNER), SettingsChange(title="Hers"))
    ).title == "Hers"


async def test_a_hand_over_at_the_same_instant_comes_before_or_after(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)

    changed, _ = await at_once(
        organization_settings.change(olga(site), SettingsChange(title="New")), hand_over(site, "ada")
    )

    title = (await organization_settings.current()).title
    assert title == ("Fenwick Herbarium" if isinstance(changed, NotAllowed) else "New")


async def test_two_who_save_different_things_at_once_both_get_them(site: Site) -> None:
    wishes = (
        SettingsChange(title="New"),
        SettingsChange(link_max_uses=5),
        SettingsChange(session_age=DAY_MS),
        SettingsChange(may_ask=True),
    )

    await at_once(*(organization_settings.change(olga(site), wish) for wish in wishes))

    rules = await organization_settings.current()
    assert (rules.title, rules.link_max_uses, rules.session_age, rules.may_ask) == ("New", 5, DAY_MS, True)
    assert len(await told()) == 4


async def test_of_two_who_save_the_same_thing_at_once_the_last_one_wins_whole(site: Site) -> None:
    wishes = [
        SettingsChange(title=f"T{n}", link_end=End("after", days=n + 1), notes={Role.OWNER: f"N{n}"})
        for n in range(6)
    ]

    await at_once(*(organization_settings.change(olga(site), wish) for wish in wishes))

    rules = await organization_settings.current()
    won = int(rules.title[1:])
    assert (rules.link_end.days, rules.notes[Role.OWNER]) == (won + 1, f"N{won}")
    link = await invite_link.present()
    assert link.expires_at == link.made_at + (won + 1) * DAY_MS
    titles = [(before, after) for kind, before, after in await told() if kind == "title_changed"]
    assert [before for before, _ in titles] == ["Fenwick Herbarium", *(after for _, after in titles[:-1])]


async def test_everything_that_stands_against_it_is_said_at_once_and_nothing_is_written(site: Site) -> None:
    link = await invite_link.present()
    for name in ("ada", "bob"):
        await register(site, name, link.id)
    wish = SettingsChange(title="New", link_end=End("on", at=NOON - 10_000 * DAY_MS), link_max_uses=2)

    with pytest.raises(Invalid) as refused:
        await organization_settings.change(olga(site), wish)

    assert refused.value.errors == await organization_settings.why_not(wish)
    assert refused.value.errors["link_ends_on"] == ["That day is over. Choose today or a later one."]
    assert refused.value.errors["link_max_uses"][0].startswith("2 people have registered by the present link")
    assert "reset the link first" in refused.value.errors["link_max_uses"][0]
    assert await told() == []


async def test_a_link_that_is_used_up_hinders_no_other_change(site: Site) -> None:
    link = await invite_link.present()
    await organization_settings.change(olga(site), SettingsChange(link_max_uses=1))
    await register(site, "ada", link.id)

    rules = await organization_settings.change(
        olga(site), SettingsChange(title="New", link_max_uses=1, link_end=End("after", 30))
    )

    assert rules.title == "New"
    assert (await invite_link.present()).max_uses == 1
