"""Holds the arrows of the house, and proves that one running the wrong way is found."""

import pytest

from tests.support.arrows import (
    FLOORS,
    GO_UP,
    HTTP_FLOORS,
    MAY_IMPORT,
    ROOT,
    circle,
    floor_of,
    graph_of,
    graph_of_the_house,
    is_page,
    modules_of,
    reached,
    violations,
    within,
)

# The pages of the examples below.
PAGES = {
    "handlers.home",
    "handlers.user.login",
    "handlers.user.account",
    "handlers.organization.members.members",
}


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circle(graph_of_the_house()) == []


def test_the_engine_knows_nothing_of_what_it_keeps() -> None:
    graph = graph_of_the_house()

    keeps = {module for module in reached(graph, "db.engine") if "db.schema.tables" in reached(graph, module)}

    assert keeps == set()


def test_a_circle_is_found() -> None:
    sources = {
        "db": "",
        "db.a": "from db import b",
        "db.b": "def late():\n    from .c import x",
        "db.c": "import db.a",
    }

    graph = graph_of(sources, packages={"db"})

    assert sorted(set(circle(graph))) == ["db.a", "db.b", "db.c"]
    assert reached(graph, "db.a") == {"db.a", "db.b", "db.c"}


def test_a_package_that_lists_its_modules_is_no_circle() -> None:
    sources = {"handlers": "from handlers import home", "handlers.home": "from handlers.http import forms"}
    shared = {"handlers.http": "", "handlers.http.request.forms": ""}

    graph = graph_of(sources | shared, packages={"handlers", "handlers.http"})

    assert circle(graph) == []


def test_every_module_keeps_to_the_arrows() -> None:
    files = modules_of(ROOT)
    sources = {module: file.read_text(encoding="utf-8") for module, file in files.items()}
    pages = {module for module, source in sources.items() if is_page(source)}

    found = [
        line
        for module, source in sources.items()
        for line in violations(module, source, pages, files[module].name == "__init__.py")
    ]

    assert len(pages) >= 1
    assert found == []


@pytest.mark.parametrize(("part", "floors"), [("db", FLOORS), ("handlers.http", HTTP_FLOORS)])
def test_each_module_stands_on_a_floor_and_each_floor_has_modules(
    part: str, floors: tuple[tuple[str, ...], ...]
) -> None:
    modules = [module for module in modules_of(ROOT) if module.startswith(f"{part}.")]

    packages = {found[0] for module in modules if (found := floor_of(module, floors))}

    assert [module for module in modules if floor_of(module, floors) is None] == []
    assert packages == {package for floor in floors for package in floor}


def test_each_import_that_still_goes_up_is_there() -> None:
    graph = graph_of_the_house()

    assert [
        (module, target)
        for module, target in sorted(GO_UP)
        if not any(within(one, target) for one in graph[module])
    ] == []


def test_the_house_has_the_parts_that_the_arrows_speak_of() -> None:
    parts = {module.partition(".")[0] for module in modules_of(ROOT)}

    assert parts == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("db.members.members", "import litestar"),
        ("db.members.members", "from jinja2 import Environment"),
        ("db.members.members", "def late():\n    import signing"),
        ("db.members.members", "from settings import Settings"),
        ("db.members.members", "import handlers.http.request.forms"),
        ("db.policy", "from db.schema import tables"),
        ("db.policy", "from . import members"),
        ("db.policy", "from .clock import now"),
        ("db.schema.tables", "from db.members.members import list_members"),
        ("db.schema.tables", "import db.auth.sessions"),
        ("db.common.keys", "from db.engine import failures"),
        ("db.mail.outbox", "from db import activity"),
        ("db.auth.links", "from db.members.directory import search"),
        ("db.accounts.sign_in", "def late():\n    from db.invitations.acceptance import accept"),
        ("db.organization.setup", "import db.maintenance.demo"),
        ("handlers.home", "from db.schema.tables import Member"),
        ("handlers.home", "from db.schema import tables"),
        ("handlers.home", "import piccolo.query"),
        ("handlers.home", "from settings import Settings"),
        ("handlers.home", "import mailer"),
        ("handlers.home", "from handlers.user.login import LoginForm"),
        ("handlers.user.login", "from handlers.user import account"),
        ("handlers.user.login", "from . import account"),
        ("handlers.user.login", "from ..organization.members.members import MembersPage"),
        ("handlers.user.login", "from handlers.organization.members import rows"),
        ("handlers.user.login", "from handlers.organization import wording"),
        ("handlers.organization.activity.activity", "from handlers.organization.members import rows"),
        ("handlers.organization.members.rows", "from handlers.organization.members.members import Filter"),
        ("handlers.http.request.forms", "from handlers import home"),
        ("handlers.http.request.forms", "from handlers.http.house import house_of"),
        ("handlers.http.auth.access", "from handlers.http.response import rendering"),
        ("signing", "from db import policy"),
        ("settings", "import signing"),
        ("messages.toasts", "from db.policy import Role"),
        ("messages", "from markupsafe import Markup"),
        ("mailer", "from handlers.http.response import rendering"),
        ("mailer", "import settings"),
        ("mailer", "import app"),
        ("app", "import cli"),
        ("app", "import importlib\nimportlib.import_module('cli')"),
        ("app", "import importlib\nimportlib.import_module(some_name)"),
        ("app", "import os\nos.environ['HOST']"),
        ("app", "import os\nprint(os.environ['PICCOLO_CONF'])"),
        ("signing", "import os\nos.environ['PICCOLO_CONF'] = 'db.engine.piccolo_conf'"),
        ("mailer", "from os import getenv"),
        ("db.members.members", "import os as system\nsystem.getenv('HOST')"),
    ],
)
def test_an_arrow_that_runs_the_wrong_way_is_found(module: str, source: str) -> None:
    assert len(violations(module, source, PAGES)) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cli", "import app\nfrom settings import Settings\nfrom db import members"),
        ("app", "import os\nos.environ['PICCOLO_CONF'] = 'db.engine.piccolo_conf'"),
        ("cli", "import os\nos.environ.setdefault('PICCOLO_CONF', 'db.engine.piccolo_conf')"),
        ("settings", "import os\nos.environ.get('HOST')"),
        ("handlers", "from handlers import home\nfrom handlers.user import login"),
        ("handlers.user.login", "from handlers.http import static\nfrom handlers.http.auth import access"),
        ("handlers.user.login", "from ..http import forms\nfrom db import members\nimport signing"),
        (
            "handlers.organization.members.members",
            "from handlers.organization.members import rows\nfrom . import rows",
        ),
        (
            "handlers.organization.members.members",
            "from handlers.organization import wording\nfrom .. import wording",
        ),
        (
            "db.members.members",
            "from db.schema.tables import Member\nfrom db import activity, policy\nimport piccolo",
        ),
        ("db.schema.tables", "from db.policy import Role\nfrom piccolo.table import Table"),
        ("db.policy", "from messages import refusals"),
        ("handlers.user.login", "from messages import by_field"),
        ("messages.toasts", "from messages import Plural"),
        ("db.engine", "from db.engine import piccolo_conf\nfrom db.common.clock import now"),
    ],
)
def test_an_arrow_that_runs_the_right_way_is_let_pass(module: str, source: str) -> None:
    assert violations(module, source, PAGES) == []
