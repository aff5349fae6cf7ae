"""What mails say: each template, as text and as HTML, with the headers of both; no server and no database."""

import re
from dataclasses import replace
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from playwright.async_api import Browser

import mailer
from db.auth.links import Link
from db.common import clock
from db.mail.delivery import Mail
from db.policy import Role
from mailer import contents
from mailer.contents import MailContents
from settings import CHECKOUT
from tests.support.servers.smtp import ReceivedMail, Server
from tests.support.steps import mail_steps

# The end of 6 December 2026, UTC.
ENDS_AT = 1_796_601_600_000
LINK = Link(7, "invitation", 1, "ab" * 16, 0, 1, 1_795_953_600_000, 0, "", 0, 1)


def by_hana(template: str, role: Role, invited: str = "", link: Link | None = None) -> MailContents:
    return MailContents(
        template, mail_steps.TITLE, role, "Hana Vodičková", "hana@fenwick.example", invited, link
    )


CONTENTS = {
    "invitation": by_hana("invitation", Role.ANNOTATOR, "l@graz.example", LINK),
    "reminder": by_hana("reminder", Role.MANAGER, "l@graz.example", LINK),
    "waiting": MailContents("waiting", mail_steps.TITLE, Role.OWNER, waiting=3, newest=9),
    "approved": MailContents("approved", mail_steps.TITLE, Role.REVIEWER),
    "accepted": by_hana("accepted", Role.ANNOTATOR),
    "reset": MailContents("reset", mail_steps.TITLE, Role.ANNOTATOR, link=replace(LINK, purpose="reset")),
    "admin_reset_link": by_hana("admin_reset_link", Role.ANNOTATOR, link=replace(LINK, purpose="reset")),
    "password": MailContents("password", mail_steps.TITLE, Role.ANNOTATOR),
    "confirm_address": MailContents(
        "confirm_address", mail_steps.TITLE, Role.PENDING, link=replace(LINK, purpose="address")
    ),
    "new_invitation_wanted": MailContents(
        "new_invitation_wanted", mail_steps.TITLE, Role.ADMINISTRATOR, invited="l@graz.example"
    ),
    "new_invitation_wanted, used": MailContents(
        "new_invitation_wanted", mail_steps.TITLE, Role.OWNER, invited="l@graz.example", state="used"
    ),
    "new_invitation_wanted, removed": MailContents(
        "new_invitation_wanted", mail_steps.TITLE, Role.OWNER, state="removed"
    ),
    "ownership": replace(by_hana("ownership", Role.OWNER), yours=True),
    "ending": replace(by_hana("ending", Role.ANNOTATOR), yours=True, ends_at=ENDS_AT),
    "lowered": replace(by_hana("lowered", Role.MANAGER), yours=True, by="Bo", at=ENDS_AT - 1),
    "request": MailContents("request", mail_steps.TITLE, link=replace(LINK, purpose="request")),
    "requested": MailContents("requested", mail_steps.TITLE, Role.ADMINISTRATOR, waiting=2),
}
# What the same kinds say to others than the one they tell of.
OTHERS = {
    "ownership": by_hana("ownership", Role.ADMINISTRATOR),
    "ending": replace(by_hana("ending", Role.ANNOTATOR), ends_at=ENDS_AT),
    "lowered": replace(by_hana("lowered", Role.MANAGER), by="Bo", at=ENDS_AT - 1),
}
# Templates that aren't called as the outbox calls their kind.
OTHER_NAMES = {"address": "confirm_address", "asked": "new_invitation_wanted", "handed": "admin_reset_link"}
MAIL = Mail(1, "", "l@graz.example", 0, 0, 0, 0, "<1@fenwick.example>", 0, 0, 0, 0, "")


APP_URL = "https://label.fenwick.example"


def written(
    content: MailContents,
    recipient: str = "l@graz.example",
    app_name: str = "Label Studio",
    app_url: str = APP_URL,
) -> ReceivedMail:
    """The mail as a server would take it."""
    renderer = mailer.OutboxRenderer(
        Server(25).account(),
        signer=mail_steps.SIGNER,
        host=mail_steps.HOST,
        app_name=app_name,
        app_url=app_url,
        templates=mail_steps.TEMPLATES,
    )
    return ReceivedMail(
        recipient,
        renderer.render(replace(MAIL, kind=content.template, recipient=recipient), content),
    )


class Words(HTMLParser):
    """The words a reader of the HTML part sees, in order; links and what would be loaded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._hidden += tag in ("style", "title")
        for name, value in attrs:
            if name == "href":
                self.links.append(value or "")
            if name in ("src", "srcset", "background") or "url(" in (value or ""):
                self.loads.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def readable(text: str) -> list[str]:
    return [word.rstrip(":") for word in text.split()]


def test_without_the_address_of_the_app_a_button_is_called_what_it_opens() -> None:
    known, unknown = (written(CONTENTS["approved"], app_url=app_url) for app_url in (APP_URL, ""))

    assert f"Open Label Studio:\n{APP_URL}" in known.text
    assert f"Log in:\n{mail_steps.HOST}" in unknown.text
    assert "Open Label Studio" not in unknown.text + unknown.html


def test_there_is_a_template_for_every_kind_of_mail() -> None:
    templates = {file.stem for file in (CHECKOUT / "templates" / "mail").glob("*.jinja")} - {"test"}

    assert templates == {content.template for content in CONTENTS.values()}
    assert templates == {OTHER_NAMES.get(kind, kind) for kind in contents.KINDS}


@pytest.mark.parametrize(
    "content", [*CONTENTS.values(), *OTHERS.values()], ids=lambda content: content.template
)
def test_both_parts_say_the_same_in_the_same_order(content: MailContents) -> None:
    mail = written(content)

    html = Words(mail.html)

    assert readable("".join(html.words)) == readable(mail.text)
    assert set(html.links) == set(re.findall(r"https://\S+", mail.text))
    assert len(readable(mail.text)) > 20


@pytest.mark.parametrize("template", CONTENTS)
def test_a_mail_has_the_headers_that_every_mail_needs(template: str) -> None:
    clock.stop_at(1_795_348_800_000)
    message = written(CONTENTS[template]).message
    clock.go_on()

    assert str(message["From"]) == "Fenwick Herbarium <members@fenwick.example>"
    assert str(message["To"]) == "l@graz.example"
    assert (message["Message-ID"], message["Auto-Submitted"]) == ("<1@fenwick.example>", "auto-generated")
    assert parsedate_to_datetime(message["Date"]).timestamp() == 1_795_348_800
    assert message["Reply-To"] == ("hana@fenwick.example" if template in ("invitation", "reminder") else None)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


SUBJECTS = {
    "invitation": "Hana Vodičková invites you to Fenwick Herbarium",
    "reminder": "Your invitation to Fenwick Herbarium ends on 29 November 2026",
    "waiting": "3 people wait for a role in Fenwick Herbarium",
    "approved": "You're in: Reviewer at Fenwick Herbarium",
    "accepted": "Hana Vodičková accepted your invitation to Fenwick Herbarium",
    "reset": "Set a new password for Fenwick Herbarium",
    "admin_reset_link": "Hana Vodičková made a password link for your account at Fenwick Herbarium",
    "password": "Your password for Fenwick Herbarium was changed",
    "confirm_address": "Confirm your address for Fenwick Herbarium",
    "new_invitation_wanted": "l@graz.example asks for a new invitation to Fenwick Herbarium",
    "ownership": "You are the Owner of Fenwick Herbarium now",
    "ending": "Your access to Fenwick Herbarium ends on 6 December 2026",
    "lowered": "You are no longer an Administrator of Fenwick Herbarium",
    "request": "Confirm that you ask for access to Fenwick Herbarium",
    "requested": "2 people ask to be let in to Fenwick Herbarium",
    "new_invitation_wanted, used": "l@graz.example asks for a new invitation to Fenwick Herbarium",
    "new_invitation_wanted, removed": "Somebody asks for a new invitation to Fenwick Herbarium",
}


@pytest.mark.parametrize("template", CONTENTS)
def test_a_subject_says_who_and_what(template: str) -> None:
    assert written(CONTENTS[template]).message["Subject"] == SUBJECTS[template]


def test_the_one_who_hands_over_and_those_who_look_after_people_are_told_of_the_other() -> None:
    subjects = [written(content).message["Subject"] for content in OTHERS.values()]

    assert subjects == [
        "Hana Vodičková is the Owner of Fenwick Herbarium now",
        "The access of Hana Vodičková to Fenwick Herbarium ends on 6 December 2026",
        "Hana Vodičková is no longer an Administrator of Fenwick Herbarium",
    ]


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {},
            [
                "Bo changed the role of",
                "from Administrator to Manager on 6 December 2026.",
                "give the role back",
            ],
        ),
        (
            {"how": "removed", "state": "removed"},
            ["Bo removed Hana", "on 6 December 2026.", "invite them again"],
        ),
        (
            {"how": "ended"},
            [
                "is over, so their role changed to Manager on 6 December 2026. Bo set that day.",
                "give the role back",
            ],
        ),
        (
            {"state": "removed"},
            ["Bo changed the role of", "They were removed after that.", "invite them again"],
        ),
    ],
)
def test_the_owner_reads_how_the_role_was_taken(changes: dict[str, Any], sentences: list[str]) -> None:
    mail = written(replace(OTHERS["lowered"], **changes))

    words = " ".join(mail.text.split())
    assert all(sentence in words for sentence in sentences), words
    assert "(hana@fenwick.example)" in words
    assert readable("".join(Words(mail.html).words)) == readable(mail.text)


def test_nobody_is_asked_who_isnt_known() -> None:
    words = " ".join(written(replace(OTHERS["lowered"], how="ended", by="")).text.split())

    assert "on 6 December 2026. If that" in words
    assert "If not, give the role back. See" in words


def test_an_address_that_was_erased_leaves_no_brackets() -> None:
    mail = written(replace(OTHERS["lowered"], how="removed", state="removed", other_email=""))

    assert "()" not in mail.text


def test_one_person_who_waits_is_no_people() -> None:
    assert (
        written(replace(CONTENTS["waiting"], waiting=1)).message["Subject"].startswith("1 person waits for")
    )


def test_one_person_who_asks_is_no_people() -> None:
    subject = written(replace(CONTENTS["requested"], waiting=1)).message["Subject"]

    assert subject == "1 person asks to be let in to Fenwick Herbarium"


@pytest.mark.parametrize(
    ("known", "subject", "link"),
    [
        ("member", "You have an account at Fenwick Herbarium", f"{mail_steps.HOST}/user/login"),
        ("asked", "You asked for access to Fenwick Herbarium already", None),
    ],
)
def test_who_needs_no_request_is_told_so_without_a_token(known: str, subject: str, link: str | None) -> None:
    mail = written(MailContents("request", mail_steps.TITLE, known=known))

    assert mail.message["Subject"] == subject
    assert re.findall(r"https://\S+", mail.text) == ([link] if link else [])
    assert readable("".join(Words(mail.html).words)) == readable(mail.text)


def test_who_is_invited_by_the_command_line_is_invited_all_the_same() -> None:
    mail = written(replace(CONTENTS["invitation"], other="", other_email=""))

    assert mail.message["Subject"] == "You are invited to Fenwick Herbarium"
    assert "You are invited\n" in mail.text
    assert "Answers go to" not in mail.text


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("invitation", "/user/invitation"),
        ("reminder", "/user/invitation"),
        ("reset", "/user/password/reset"),
        ("confirm_address", "/user/confirmation"),
        ("request", "/user/access-request/confirmation"),
    ],
)
def test_a_link_is_built_from_the_public_address_and_opens(template: str, path: str) -> None:
    link = CONTENTS[template].link
    assert link is not None

    (url,) = set(re.findall(r"https://\S+", written(CONTENTS[template]).text))

    base, _, token = url.partition("?token=")
    assert base == mail_steps.HOST + path
    assert mail_steps.SIGNER.matches(link.purpose, token, link.nonce)


@pytest.mark.parametrize(
    "content", [*CONTENTS.values(), *OTHERS.values()], ids=lambda content: content.template
)
def test_a_link_stands_whole_on_a_line_of_its_own(content: MailContents) -> None:
    """Programs that break lines or find links in a text then leave it as it is."""
    mail = written(content)
    links = [line for line in mail.text.splitlines() if "://" in line]

    assert all(re.fullmatch(r"https://[^\s<>\"]*[A-Za-z0-9/]", line) for line in links), links
    assert "format=flowed" not in mail.raw.decode()
    assert max(len(line) for line in mail.raw.splitlines()) <= 78


def test_a_link_that_was_handed_over_is_not_in_the_mail_that_tells_of_it() -> None:
    assert "token" not in written(CONTENTS["admin_reset_link"]).raw.decode()


@pytest.mark.parametrize("template", CONTENTS)
def test_html_loads_nothing_and_runs_nothing(template: str) -> None:
    html = Words(written(CONTENTS[template]).html)

    assert html.loads == []
    assert not html.tags & {"script", "img", "link", "iframe", "form", "object"}


HOSTILE = [
    "<script>alert(1)</script>",
    "Hana\r\nBcc: everybody@example.org",
    'Hana" <x@y.example>',
    "=?utf-8?q?Hana=0D=0ABcc:_everybody@example.org?=",
    "\u202eanaH\u2066",
    "هنا الكتاب",
    "Ha\x00na\x1b[31m\x85",
    "{{ 7 * 7 }}{% endif %}",
    "W" * 100,
    "花" * 100,
]


@pytest.mark.parametrize(
    ("state", "said", "unsaid"),
    [
        (
            "open",
            ["once and until", "hand it to you", "that ends the link"],
            ["used since", "no longer works"],
        ),
        ("used", ["It has been used since."], ["until", "hand it to you", "that ends the link"]),
        ("ended", ["It no longer works."], ["until", "hand it to you", "that ends the link"]),
    ],
)
def test_a_password_link_is_told_of_as_it_is_by_then(state: str, said: list[str], unsaid: list[str]) -> None:
    text = " ".join(written(replace(CONTENTS["admin_reset_link"], state=state)).text.split())

    assert [words for words in said if words not in text] == []
    assert [words for words in unsaid if words in text] == []


@pytest.mark.parametrize(
    ("changes", "subject", "sentences"),
    [
        (
            {"how": "end_set", "yours": True, "ends_at": ENDS_AT},
            "You have a last day at Fenwick Herbarium",
            ["Bo gave you a last day at", "until lately: 6 December 2026.", "Ask the Owner"],
        ),
        (
            {"how": "end_set", "yours": False, "ends_at": ENDS_AT},
            "Hana Vodičková has a last day at Fenwick Herbarium",
            ["Bo gave Hana", "a last day: 6 December 2026.", "take the last day away"],
        ),
        (
            {"how": "removed", "yours": False, "state": "removed"},
            "Hana Vodičková was removed from Fenwick Herbarium",
            ["Bo removed Hana", "until lately, on 6 December 2026.", "invite them again"],
        ),
        (
            {"how": "changed", "yours": False},
            "Hana Vodičková was deactivated at Fenwick Herbarium",
            ["Bo deactivated Hana", "until lately, on 6 December 2026.", "give the role back"],
        ),
        (
            {"how": "ended", "yours": False},
            "Hana Vodičková was deactivated at Fenwick Herbarium",
            [
                "The last day of Hana",
                "until lately, is over, so they were deactivated on 6 December 2026. Bo set that day.",
                "give the role back",
            ],
        ),
    ],
)
def test_what_shuts_out_who_was_an_administrator_lately_is_told_as_that(
    changes: dict[str, Any], subject: str, sentences: list[str]
) -> None:
    mail = written(replace(CONTENTS["lowered"], lately=True, **changes))
    text = " ".join(mail.text.split())

    assert mail.message["Subject"] == subject
    assert [sentence for sentence in sentences if sentence not in text] == []


def test_who_was_lowered_and_removed_since_is_not_sent_to_their_account() -> None:
    text = " ".join(written(replace(CONTENTS["lowered"], state="removed")).text.split())

    assert "You were removed after that." in text
    assert "/user/account" not in text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "template", ["invitation", "accepted", "admin_reset_link", "ownership", "ending", "lowered"]
)
def test_no_name_or_title_gets_out_of_its_place(template: str, name: str) -> None:
    content = {**CONTENTS, **OTHERS}[template]
    mail = written(replace(content, other=name, title=name), app_name=name)

    message, html = mail.message, Words(mail.html)

    usual = written(content)
    assert message.keys() == usual.message.keys()
    assert len(mail.raw.split(b"\r\n\r\n")[0]) < 2_000
    assert html.tags == Words(usual.html).tags
    assert html.links == Words(usual.html).links
    assert readable("".join(html.words)) == readable(mail.text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", mail.text + message["Subject"])
    assert all(len(line) <= 998 for line in mail.raw.split(b"\r\n"))


def test_the_longest_address_arrives_whole() -> None:
    address = "l" * 64 + "@" + ".".join(["graz" * 15] * 3)[:180] + ".example"
    assert len(address) == 253

    mail = written(replace(CONTENTS["invitation"], invited=address, other_email=address), address)

    assert (str(mail.message["To"]), str(mail.message["Reply-To"])) == (address, address)
    assert address in mail.text


def test_an_international_domain_stands_beside_its_punycode() -> None:
    mail = written(replace(CONTENTS["invitation"], invited="l@xn--strae-oqa.de"), "l@xn--strae-oqa.de")

    assert str(mail.message["To"]) == "l@xn--strae-oqa.de"
    assert "l@xn--strae-oqa.de (straße.de)" in mail.text


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_mail_is_readable_on_a_narrow_screen(theme: str, browser: Browser) -> None:
    context = await browser.new_context(
        viewport={"width": 320, "height": 600},
        color_scheme=theme,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    long = {"other": "W" * 100, "title": "Wörterbuchredaktion" * 5, "invited": "l" * 64 + "@graz.example"}

    longer = [replace(content, **long) for content in CONTENTS.values()]  # type: ignore[arg-type]
    for content in [*CONTENTS.values(), *longer]:
        await page.set_content(written(content).html)

        assert await page.evaluate("document.documentElement.scrollWidth") <= 320, content.template
    assert asked == []
    await context.close()
