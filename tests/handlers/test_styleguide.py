"""The style guide is there for who works on the looks, and for nobody else."""

from settings import Settings
from tests.support.pages.site import ON_SQLITE, SECRET, Site

pytestmark = ON_SQLITE


async def test_the_style_guide_is_served_on_demand_only(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, debug=True)) as site:
        shown = await site.visitor().get("/styleguide")
    async with Site.opened(founded=False) as site:
        hidden = await site.visitor().get("/styleguide")

    assert shown.status_code == 200
    assert "Wolfeschlegelsteinhausenbergerdorff" in shown.text
    assert hidden.status_code == 404


async def test_it_shows_every_icon_and_every_kind_of_button(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, debug=True)) as site:
        shown = (await site.visitor().get("/styleguide")).text

    for kind in ("btn--primary", "btn--danger", "btn--final", "btn--quiet", "toast--refused", "aria-invalid"):
        assert kind in shown, kind
