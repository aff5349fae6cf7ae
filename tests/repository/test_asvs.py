"""docs/asvs.md answers each requirement of ASVS 5.0, levels 1 and 2, once, and names tests that there are."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
# By section, the level of each requirement in turn; those of level 3 have no row.
LEVELS = """
1.1 22 1.2 1111122223 1.3 112222222223 1.4 222 1.5 123
2.1 122 2.2 112 2.3 12223 2.4 23
3.1 3 3.2 113 3.3 12223 3.4 11222233 3.5 11122333 3.6 3 3.7 22333
4.1 12233 4.2 23333 4.3 22 4.4 1222
5.1 2 5.2 112333 5.3 113 5.4 222
6.1 122 6.2 111111112222 6.3 11223333 6.4 112233 6.5 22222333 6.6 2223 6.7 33 6.8 2222
7.1 222 7.2 1111 7.3 22 7.4 11222 7.5 223 7.6 22
8.1 1233 8.2 1123 8.3 133 8.4 23
9.1 111 9.2 1222
10.1 22 10.2 223 10.3 22223 10.4 1111122222233333 10.5 22222 10.6 22 10.7 222
11.1 2233 11.2 22233 11.3 11233 11.4 1222 11.5 23 11.6 23 11.7 33
12.1 12233 12.2 11 12.3 22223
13.1 2333 13.2 222223 13.3 2233 13.4 1222233
14.1 22 14.2 12223333 14.3 122
15.1 12233 15.2 12233 15.3 1222222 15.4 3333
16.1 2 16.2 22222 16.3 2222 16.4 222 16.5 2223
17.1 23 17.2 22223333 17.3 22
""".split()
ROW = re.compile(r"\| (\d+\.\d+\.\d+) \| ([12]) \| [^|]+ \| (yes|none|no) \| ([^|]+) \| ([^|]*) \|")
LINK = re.compile(r"\]\(([^)#]+)(?:#([^)]+))?\)")


def rows() -> list[tuple[str, ...]]:
    """Id, level, whether it is met, how, and the names of tests."""
    lines = (DOCS / "asvs.md").read_text("utf-8").splitlines()
    found = [ROW.fullmatch(line) for line in lines if re.match(r"\| \d", line)]
    assert None not in found, lines[found.index(None)]
    return [match.groups() for match in found if match]


def names_of_tests() -> set[str]:
    text = "\n".join(file.read_text("utf-8") for file in DOCS.parent.glob("tests/**/test_*.py"))
    return set(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))


def anchors_in(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_requirement_of_both_levels_stands_there_once_in_order() -> None:
    sections = zip(LEVELS[::2], LEVELS[1::2], strict=True)
    wanted = [
        (f"{section}.{number}", level)
        for section, levels in sections
        for number, level in enumerate(levels, 1)
        if level != "3"
    ]

    assert len(wanted) == 253
    assert [(requirement, level) for requirement, level, *_ in rows()] == wanted


def test_every_test_that_is_named_exists() -> None:
    there_are = names_of_tests()

    missing = [
        (row[0], name) for row in rows() for name in row[4].split(", ") if name.strip("`") not in there_are
    ]

    assert [(requirement, name) for requirement, name in missing if name] == []


def test_what_is_met_is_shown_by_a_test_or_a_page() -> None:
    assert [row[0] for row in rows() if row[2] == "yes" and not row[4] and "](" not in row[3]] == []


def test_every_page_that_is_named_has_the_heading() -> None:
    for requirement, _, _, how, _ in rows():
        for page, anchor in LINK.findall(how):
            assert (DOCS / page).is_file(), (requirement, page)
            assert not anchor or anchor in anchors_in(DOCS / page), (requirement, anchor)
