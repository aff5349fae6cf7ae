"""/organization/invitations/import: many people from a CSV file, with the same preview."""

import httpx
import pytest

from db import engine
from db.policy import Role
from tests.support.concurrency import at_once
from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, Site, Visitor

PATH = "/organization/invitations/import"
GOOD = b"email,role,first_name\nada@example.org,Reviewer,Ada\nben@example.org,,Ben\n"
WRONG = b"email,role\nada@example.org,AN\nnobody,AN\nben@example.org,Emperor\n"
pytestmark = ON_SQLITE


async def upload(visitor: Visitor, content: bytes, role: str = "MA") -> httpx.Response:
    return await visitor.post(
        PATH,
        data={"role": role},
        files={"file": ("people.csv", content, "text/csv")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )


async def test_a_file_is_previewed_then_sent(site: Site) -> None:
    olga = await site.sign_in("olga")
    assert (
        tree(await olga.get(PATH)).one("form", method="post", action=PATH)["enctype"] == "multipart/form-data"
    )

    answer = await upload(olga, GOOD)
    assert answer.status_code == 303
    place = answer.headers["location"]
    page = tree(await olga.get(place))
    assert [line.text for line in page.one(id="preview").all("li")] == [
        "ada@example.org Ada, line 2 New, is invited as Reviewer, not Manager",
        "ben@example.org Ben, line 3 New, is invited as Manager",
    ]
    assert await engine.rows("SELECT 1 FROM invitation") == []

    answer = await olga.submit(place)
    assert answer.headers["location"] == "/organization/invitations?batch=1"
    assert await engine.rows("SELECT email, first_name, role FROM invitation ORDER BY id") == [
        ("ada@example.org", "Ada", "RE"),
        ("ben@example.org", "Ben", "MA"),
    ]
    # Sent once: the file is gone.
    assert (await olga.submit(place)).status_code == 404


async def test_two_presses_of_send_at_the_same_instant_invite_once(site: Site) -> None:
    olga = await site.sign_in("olga")
    place = (await upload(olga, GOOD)).headers["location"]

    answers = await at_once(*(olga.submit(place) for _ in range(2)))

    statuses = sorted(answer.status_code for answer in answers if isinstance(answer, httpx.Response))
    assert statuses == [303, 404]
    assert await engine.rows("SELECT COUNT(*) FROM batch") == [(1,)]


async def test_wrong_rows_name_their_lines_and_the_others_can_be_sent(site: Site) -> None:
    olga = await site.sign_in("olga")
    place = (await upload(olga, WRONG)).headers["location"]

    page = tree(await olga.get(place))
    lines = [line.text for line in page.one(id="preview").all("li")]
    assert lines[0].startswith("nobody line 3 An email address has a name")
    assert lines[1].startswith("ben@example.org line 4 “Emperor” is no role")
    answer = await olga.submit(place)
    assert answer.status_code == 422
    assert await engine.rows("SELECT 1 FROM invitation") == []

    button = tree(answer).one("button", name="others")
    assert button.text == "Send the other 1"
    await olga.submit(place, others=button["value"])
    assert await engine.rows("SELECT email FROM invitation") == [("ada@example.org",)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Choose a CSV file first"),
        (b"email\n", "no rows"),
        (b"name,address\nAda,ada@example.org\n", "Headings read: “name”, “address”"),
        (b'email,name\na@example.org,"A\nb@example.org,B\n', "Line 2: a quotation mark opens here"),
        (b"email\nada@example.org\n\x81\n", "Line 3 is neither UTF-8 nor Windows-1252"),
        (b"email\n" + b"ada@example.org\n" * 10_001, "more than 10,000 rows"),
        (b"PK\x03\x04\0\0", "no text file"),
    ],
)
async def test_a_file_that_is_none_is_an_error_of_its_field(site: Site, content: bytes, said: str) -> None:
    olga = await site.sign_in("olga")

    answer = await upload(olga, content)

    assert answer.status_code == 422
    assert said in read(answer).error_of("file")


@pytest.mark.parametrize(
    ("field", "role", "row"),
    [("role", b"A\xffN", b""), ("file", b"AN", b"cleo@example.org,A\x81\n")],
)
async def test_broken_utf_8_is_an_error_of_its_field(site: Site, field: str, role: bytes, row: bytes) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.post(
        PATH,
        data={"role": role},
        files={"file": ("people.csv", b"email,first_name\nada@example.org,Ada\n" + row, "text/csv")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )

    assert answer.status_code == 422
    expected = "Line 3 is neither" if field == "file" else "can't be typed (control characters)"
    assert expected in read(answer).error_of(field)
    assert "\ufffd" not in answer.text


async def test_a_wrong_role_is_an_error_of_its_field(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await upload(olga, GOOD, role="OW")

    assert answer.status_code == 422
    assert read(answer).error_of("role")


async def test_more_than_ten_megabytes_are_refused(site: Site) -> None:
    olga = await site.sign_in("olga")
    assert (await upload(olga, b"email\n" + b"x" * 10_000_000)).status_code == 413


async def test_a_plain_form_or_a_broken_one_is_refused(site: Site) -> None:
    olga = await site.sign_in("olga")
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "multipart/form-data"}

    assert (await olga.submit(PATH, role="MA")).status_code == 415
    assert (await olga.post(PATH, content=b"x", headers=headers)).status_code == 415
    headers["Content-Type"] += "; boundary=cut"
    assert (await olga.post(PATH, content=b"--nothing of the sort", headers=headers)).status_code == 422
    headers["Content-Type"] = "multipart/form-data; boundary=x"
    without_file = b'--x\r\nContent-Disposition: form-data; name="role"\r\n\r\nMA\r\n--x--\r\n'
    assert (await olga.post(PATH, content=without_file, headers=headers)).status_code == 422
    without_name = without_file.replace(b'; name="role"', b"")
    assert "be read" in (await olga.post(PATH, content=without_name, headers=headers)).text
    for path in ("/organization/invitations", "/organization/invitations/preview"):
        assert (await olga.post(path, content=b"--cut", headers=headers)).status_code == 415


async def test_it_belongs_to_whoever_uploaded_it(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    olga, alma = await site.sign_in("olga"), await site.sign_in("alma")
    place = (await upload(olga, GOOD)).headers["location"]

    assert (await alma.get(place)).status_code == 404
    assert (await alma.submit(place)).status_code == 404
    assert (await olga.get(f"{PATH}/x")).status_code == 404
    assert (await olga.get(place)).status_code == 200


async def test_the_preview_says_how_the_file_was_read(site: Site) -> None:
    olga = await site.sign_in("olga")
    content = (
        "E-Mail;Vorname;Rolle;Team\nada@example.org;Jörg;AN;x\nben@example.org;;RE;x\n"
        "cleo@example.org;;;y\nADA@example.org;;MA;\n"
    ).encode("cp1252")

    page = tree(await olga.get((await upload(olga, content, role="AN")).headers["location"]))

    assert page.one(id="preview-title").text == "What will happen: 3 invitations, 1 repeated"
    assert page.one(id="preview-encoding").text.startswith("Read as Windows-1252.")
    assert page.one(id="preview-ignored").text == "Columns not read: Team."
    assert (
        page.one(id="preview-roles").text
        == "Rows with a role of their own, not Annotator: Reviewer (line 3)."
    )
    repeats = page.one(id="preview-repeats").all("li")
    assert [line.text for line in repeats] == [
        "ADA@example.org line 5 Is on line 2 already, which counts; Manager doesn't"
    ]


async def test_the_preview_of_a_file_without_headings_says_so(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(
        await olga.get((await upload(olga, b"ada@example.org\nben@example.org\n")).headers["location"])
    )

    assert page.one(id="preview-title").text == "What will happen: 2 invitations"
    assert "only the addresses are read" in page.one(id="preview-headings").text


async def test_what_the_lists_export_can_be_imported(site: Site) -> None:
    await site.person("rita", Role.REVIEWER)
    await site.person("pia")
    await site.person("dora", Role.DEACTIVATED)
    olga = await site.sign_in("olga")
    exported = await olga.get("/organization/members.csv?role=OW&role=RE&role=NO&role=DI")

    page = tree(await olga.get((await upload(olga, exported.content)).headers["location"]))

    said = {line.text.partition(" ")[0]: line.text for line in page.one(id="preview").all("li")}
    assert "nobody can be invited as Owner" in said["olga@example.org"]
    assert "who have no role yet" in said["pia@example.org"]
    assert "nobody can be invited as Deactivated" in said["dora@example.org"]
    assert "Is Reviewer here, nothing happens" in said["rita@example.org"]
    assert "came_by" in page.one(id="preview-ignored").text


async def test_exported_links_can_be_imported(site: Site) -> None:
    olga = await site.sign_in("olga")
    await olga.submit("/organization/invitations", emails="+ada@example.org", role="RE")
    exported = await olga.submit("/organization/invitations/links/1")
    assert b"'+ada@example.org" in exported.content

    page = tree(await olga.get((await upload(olga, exported.content)).headers["location"]))

    (line,) = page.one(id="preview").all("li")
    assert line.text == "+ada@example.org line 2 Invited before, once more as Reviewer, not Manager"
    assert page.one(id="preview-ignored").text == "Columns not read: link."


@pytest.mark.parametrize("count", [1, 2])
async def test_the_preview_and_the_toast_count_the_same(site: Site, count: int) -> None:
    olga = await site.sign_in("olga")
    rows = "".join(f"guest{number}@example.org\n" for number in range(count))
    place = (await upload(olga, b"email\n" + rows.encode() + b"olga@example.org\nnobody\n")).headers[
        "location"
    ]

    page = tree(await olga.get(place))
    answer = await olga.submit(place, others="yes")

    number = "1 invitation" if count == 1 else "2 invitations"
    assert page.one(id="preview-title").text == f"What will happen: {number}, 1 to put right"
    assert page.one(id="preview-left").text == "1 left alone: a member, or deactivated."
    assert page.one("button", name="others").text == f"Send the other {count}"
    toasted = tree(await olga.get(answer.headers["location"])).one(id="toasts").one("p").text
    assert toasted.startswith(number)
    assert "1 was left alone." in toasted
