"""The rules, the pages and the changes agree, for every role of who asks and who is meant."""

from itertools import product

import pytest

from db import engine, policy
from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, Site, Visitor

pytestmark = ON_SQLITE


async def have_role(member_id: int, role: Role) -> None:
    # Nobody was Administrator of late: who was is the subject of the tests of password links.
    for change in ("SET role = ?, removed_at = 0", "SET administrator_until = 0"):
        values = (role.value,) if "?" in change else ()
        await engine.write(engine.execute, f"UPDATE member {change} WHERE id = ?", *values, member_id)


async def signed_in(site: Site, actor: Role) -> tuple[int, Visitor]:
    """Somebody with this role, and their id: olga as the Owner, else ada."""
    await site.person("bob")
    if actor is Role.OWNER:
        return site.ids["olga"], await site.sign_in("olga")
    await site.person("ada")
    ada = await site.sign_in("ada")
    await have_role(site.ids["ada"], actor)
    return site.ids["ada"], ada


def refusals(actor: Role) -> tuple[int, ...]:
    """The statuses of what the rules refuse them; 303 leads to the login page."""
    return (303,) if actor is Role.DEACTIVATED else (403, 409) if policy.may_manage_members(actor) else (403,)


@pytest.mark.parametrize("actor", list(Role))
async def test_a_role_is_given_exactly_where_the_rules_say_so(site: Site, actor: Role) -> None:
    actor_id, ada = await signed_in(site, actor)
    ids, everybody = site.ids, [role for role in Role if role is not Role.OWNER]
    targets: list[tuple[int, Role]] = [(ids["bob"], role) for role in everybody] + [(actor_id, actor)]
    if actor is not Role.OWNER:
        targets.append((ids["olga"], Role.OWNER))

    for (member_id, has), to in product(targets, Role):
        if has is not Role.OWNER and member_id != actor_id:
            await have_role(member_id, has)

        answer = await ada.submit(f"/organization/members/{member_id}/role", role=to.value)

        why = policy.why_not_assigned(actor_id, actor, member_id, has, to)
        ((now,),) = await engine.rows("SELECT role FROM member WHERE id = ?", member_id)
        assert Role(now) is (to if why is None else has), (has, to)
        assert answer.status_code in ((303,) if why is None else refusals(actor)), (has, to)


@pytest.mark.parametrize("actor", [Role.OWNER, Role.ADMINISTRATOR])
async def test_a_row_and_a_panel_offer_exactly_what_may_be_done(site: Site, actor: Role) -> None:
    actor_id, ada = await signed_in(site, actor)
    ids, everybody = site.ids, [role for role in Role if role is not Role.OWNER]
    targets: list[tuple[int, Role]] = [(ids["bob"], role) for role in everybody] + [(actor_id, actor)]
    if actor is not Role.OWNER:
        targets.append((ids["olga"], Role.OWNER))

    for member_id, has in targets:
        if has is not Role.OWNER and member_id != actor_id:
            await have_role(member_id, has)
        asked = (actor_id, actor, member_id, has)
        table = tree(
            await ada.get("/organization/members?" + "&".join(f"role={role.value}" for role in Role))
        )
        panel = tree(await ada.get(f"/organization/members/{member_id}"))
        actions = {form["action"] for form in panel.all("form") if "action" in form}

        select = table.one("tr", id=f"member-{member_id}").one("select", name="role")
        path = f"/organization/members/{member_id}"
        offered = {Role(option["value"]) for option in select.all("option")} - {has}
        may_change = policy.why_untouchable(*asked) is None
        assert ("disabled" not in select) == may_change, has
        assert offered == ({*policy.ASSIGNABLE} - {has} if may_change else set()), has
        assert (f"{path}/password-link" in actions) == (
            policy.why_no_password_link(*asked, was_administrator=False) is None
        ), has
        assert (f"{path}/name" in actions) == (policy.why_not_named(*asked) is None), has
        assert (f"{path}/end" in actions) == (policy.why_no_last_day(*asked) is None), has


@pytest.mark.parametrize("actor", list(Role))
@pytest.mark.parametrize("act", ["removal", "end", "name", "sessions/end-all", "password-link"])
async def test_each_other_act_is_done_exactly_where_the_rules_say_so(
    site: Site, actor: Role, act: str
) -> None:
    actor_id, ada = await signed_in(site, actor)
    ids = site.ids
    why = {
        "removal": policy.why_untouchable,
        "end": policy.why_no_last_day,
        "name": policy.why_not_named,
        "sessions/end-all": policy.why_not_signed_out,
    }
    targets: list[tuple[int, Role]] = [(ids["bob"], role) for role in Role if role is not Role.OWNER]
    if actor is not Role.OWNER:
        targets.append((ids["olga"], Role.OWNER))

    for there, has in targets:
        member_id = there
        if act == "removal" and has is not Role.OWNER:
            member_id = await site.person(f"bob{has.value.lower()}")
        if has is not Role.OWNER:
            await have_role(member_id, has)
        asked = (actor_id, actor, member_id, has)

        answer = await ada.submit(f"/organization/members/{member_id}/{act}", {"first_name": "B", "day": ""})

        if act == "password-link":
            refused = policy.why_no_password_link(*asked, was_administrator=False)
        else:
            refused = why[act](*asked)
        done = answer.status_code in (200, 303) and "/user/login" not in answer.headers.get("location", "")
        assert done == (refused is None), (has, answer.status_code)
        if refused:
            assert answer.status_code in refusals(actor), has
