"""Every place of a request at which somebody's text may reach SQL, by address: what sqlmap tries.

tests/trials/test_scan.py holds that each address of the application is here, each path parameter with it,
and each field that a form or a query string is read for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from handlers.http.auth.cookies import DEVICE_COOKIE
from tests.trials.scan.front import ANYONE, SESSION
from tests.trials.scan.house import ADMINISTRATOR, OWNER

# A password is measured, hashed and compared, and stands in no statement; each try costs a hash.
NEVER_IN_SQL: Final = {"password", "current_password"}
# Nothing that is sent there is read, or the session that sends it would end.
NOTHING_TO_TRY: Final = {
    ("GET", "/health"): "it reads nothing of the request",
    ("GET", "/organization"): "it redirects, whatever is sent",
    ("GET", "/organization/invitations/import"): "it shows a form, whatever is sent",
    (
        "GET",
        "/organization/invite",
    ): "its one field, way, is compared with a word, and the draft is /user/account's",
    ("GET", "/organization/roles"): "it reads nothing of the request",
    ("GET", "/setup"): "404 since somebody owns the organization",
    ("POST", "/setup"): "404 since somebody owns the organization",
    ("GET", "/static/{name}"): "files, no database",
    ("GET", "/user/access-request"): "it shows a form, whatever is sent",
    ("GET", "/user/password/forgot"): "it shows a form, whatever is sent",
    ("POST", "/organization/invitations/import"): "a file: its text is tried as pasted addresses",
    ("POST", "/organization/settings/test-mail"): "it reads nothing of the request",
    ("POST", "/user/account/confirmation"): "it reads nothing of the request",
    (
        "POST",
        "/user/account/sessions/end-others",
    ): "it reads nothing, and ends sessions that are scanned with",
    ("POST", "/user/account/password"): "passwords alone",
    ("POST", "/user/logout"): "next is a path to lead to, and it ends the session that is scanned with",
}


@dataclass(frozen=True)
class Place:
    """One request. fields and headers: what is tried, with a value that works; braces as in House.values.

    who: whose session sends it, "" for nobody's. kept: fields that go along and aren't tried. path_too:
    whether the numbers in the path are tried as well. gone: whether what it concerns may be gone (404).
    another: of the fields that go along, one that is made up anew for each request.
    """

    method: str
    path: str
    who: str = ADMINISTRATOR
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    path_too: bool = True
    gone: bool = False
    another: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}: {', '.join([*self.fields, *self.headers]) or 'its number'}"


def _get(path: str, who: str = ADMINISTRATOR, /, **fields: str) -> Place:
    return Place("GET", path, who, fields={name.rstrip("_"): value for name, value in fields.items()})


def _post(path: str, who: str = ADMINISTRATOR, /, *, gone: bool = False, **fields: str) -> Place:
    tried = {name: value for name, value in fields.items() if name not in NEVER_IN_SQL}
    kept = {name: value for name, value in fields.items() if name in NEVER_IN_SQL}
    return Place("POST", path, who, fields=tried, kept=kept, gone=gone)


MEMBERS, INVITATIONS, LOG = "/organization/members", "/organization/invitations", "/organization/activity"
FILTER: Final = "q=ana&role=AN&sort=email"
MEMBER, INVITATION = f"{MEMBERS}/{{member_id}}", f"{INVITATIONS}/{{invitation_id}}"
REQUEST: Final = "/organization/requests/{access_request_id}"
NOBODY_KNOWS: Final = "seven grey herons by the weir"
_AGENT: Final = "Mozilla/5.0 (X11; Linux) Firefox/140.0"

PLACES: Final = (
    # Lists: filter, order, cursors.
    _get(MEMBERS, q="a", role="AN", sort="email", link="1"),
    _get(MEMBERS, after="{members_after}"),
    _get(MEMBERS, before="{members_after}"),
    _get(f"{MEMBERS}/news", q="a", role="AN", sort="email", link="1", seen="1.2"),
    _get(f"{MEMBERS}.csv", q="a", role="AN", sort="email", link="1"),
    _get(INVITATIONS, q="a", state="open", batch="{batch_id}"),
    _get(INVITATIONS, q="asking", state="asked"),
    _get(INVITATIONS, after="{invitation_id}"),
    _get(INVITATIONS, before="-{invitation_id}"),
    _get(LOG, person="{member_id}", kind="roles", from_="2026-01-01", to="2099-01-01", zone="Europe/Prague"),
    _get(LOG, invited="{invitation_id}"),
    _get(LOG, who="ana"),
    _get(LOG, after="{activity_after}"),
    _get(LOG, before="{activity_after}"),
    _get(f"{LOG}/news", top="{activity_after}", seen="1", person="{member_id}", invited="", kind="roles"),
    _get(f"{LOG}/news", from_="2026-01-01", to="2099-01-01", zone="Europe/Prague", top="{activity_after}"),
    _get(f"{LOG}.csv", person="{member_id}", kind="roles", from_="2026-01-01", to="2099-01-01", zone="UTC"),
    _get(f"{LOG}.csv", invited="{invitation_id}"),
    Place("GET", f"{LOG}/erasure", OWNER, {"member": "{removed_id}"}, gone=True),
    # Members.
    _get(MEMBER),
    _get(f"{MEMBER}/removal", filter=FILTER),
    _post(f"{MEMBER}/role", role="RE", filter=FILTER),
    _post(f"{MEMBER}/name", first_name="Ana", last_name="Lima", filter=FILTER, listed="1"),
    _post(f"{MEMBER}/end", last_day="2099-01-01", filter=FILTER),
    _post(f"{MEMBER}/sessions/{{session_id}}/end", filter=FILTER, gone=True),
    _post(f"{MEMBER}/sessions/end-all", filter=FILTER),
    _post(f"{MEMBER}/password-link", filter=FILTER),
    _post(f"{MEMBERS}/{{removable_id}}/removal", filter=FILTER, gone=True),
    _post(f"{MEMBERS}/roles", member="{pending_id}", role="RE", filter=FILTER, all=""),
    _post(f"{MEMBERS}/roles", role="RE", filter=FILTER, all="1"),
    _post(f"{MEMBERS}/roles", member="{pending_id}", role="AN", before="{pending_id}:RE"),
    _post(f"{MEMBERS}/reversal", role="RE", before="{member_id}:AN", filter=FILTER),
    # Invitations and requests.
    _get(INVITATION),
    _get(f"{INVITATIONS}/progress/{{batch_id}}", seen="1"),
    _get(f"{INVITATIONS}/import/{{upload_id}}"),
    _post(f"{INVITATIONS}/import/{{upload_id}}", others="1", gone=True),
    _post(INVITATIONS, emails="somebody@example.org", role="AN", others="1"),
    _post(
        f"{INVITATIONS}/preview", emails="Some Body <somebody@example.org>, ana@fenwick.example", role="AN"
    ),
    _post(f"{INVITATIONS}/links/{{batch_id}}", gone=True),
    _post(f"{INVITATIONS}/several", invitation="{invitation_id}", action="resend", filter="q=a&state=open"),
    _post(f"{INVITATIONS}/reversal", invitation="{invitation_id}", revoked_at="1795829844747", filter="q=a"),
    _post(f"{INVITATION}/role", role="RE"),
    _post(f"{INVITATION}/resend"),
    _post(f"{INVITATION}/link"),
    _post(f"{INVITATION}/revocation"),
    _post(f"{REQUEST}/invitation", role="AN", filter="q=a"),
    _post(f"{REQUEST}/reversal", dismissed_at="1795829844747", filter="q=a"),
    _post(f"{REQUEST}/dismissal", filter="q=a"),
    # The Owner's.
    _get("/organization/settings", OWNER, draft="A" * 32),
    _get("/organization/ownership", OWNER, member="{member_id}"),
    _post("/organization/ownership", OWNER, member="{member_id}", password=NOBODY_KNOWS),
    _post(f"{LOG}/erasure", OWNER, member="{removed_id}", also="{removed_id}", gone=True),
    _post("/organization/settings", OWNER, title="Herbarium", note_AN="draws", link_domains="example.org"),
    _post("/organization/settings", OWNER, link_ends="after", link_days="7", link_max_uses="9", seen="a.b"),
    _post("/organization/settings", OWNER, link_ends="on", link_ends_on="2099-01-01"),
    _post(
        "/organization/settings", OWNER, notice_waiting="owner", notice_asked="owner", notice_ending="owner"
    ),
    _post("/organization/settings", OWNER, session_age="9", session_idle="3", may_ask="true"),
    *(
        Place("POST", "/organization/settings", OWNER, fields={f"note_{role}": "words"})
        for role in "OW AD MA RE NO".split()
    ),
    # One's own account: what each member changes of themself is limited, so all of them take turns.
    Place("GET", "/", ANYONE, headers={"HX-Request": "true"}),
    _get("/user/account", ANYONE, draft="A" * 32),
    _post(
        "/user/account", ANYONE, first_name="Ada", last_name="Lima", time_zone="Europe/Prague", theme="dark"
    ),
    _post("/user/account", ADMINISTRATOR, draft="A" * 32),
    _post("/user/account/notices", ANYONE, wants_notices="1"),
    _post("/user/account/acknowledgement", ANYONE, at="1795829844747"),
    _post("/user/account/sessions/{session_id}/end", ANYONE, gone=True),
    # Nobody's.
    _get("/user/login", "", next="/organization"),
    _post("/user/login", "", email="{somebody}", persist_session="1", next="/", password="{password}"),
    _get("/user/signup", "", token="{invite}"),
    _post(
        "/user/signup",
        "",
        email="somebody@example.org",
        first_name="Some",
        last_name="Body",
        token="{invite}",
        password="short",
    ),
    Place("POST", "/user/access-request", "", {"email": "somebody@example.org"}, kept={"name": "Some Body"}),
    # Five an hour for one address.
    Place(
        "POST",
        "/user/access-request",
        "",
        {"name": "Some Body", "words": "let me in"},
        kept={"email": "somebody@example.org"},
        another="email",
    ),
    *(
        make(path, "", token="{invite}")
        for path in ("/user/access-request/confirmation", "/user/confirmation")
        for make in (_get, _post)
    ),
    _get("/user/invitation", "", token="{invitation}"),
    _post(
        "/user/invitation", "", token="{invitation}", first_name="Some", last_name="Body", password="short"
    ),
    _post("/user/invitation/renewal", "", token="{invitation}"),
    _post("/user/password/forgot", "", email="ana@fenwick.example"),
    _get("/user/password/reset", "", token="{reset}"),
    _post("/user/password/reset", "", token="{reset}", password="short"),
    # Headers that are stored, looked up, or read as a filter.
    Place("GET", "/user/account", "", headers={"Cookie": f"{SESSION}={{session}}"}),
    Place("GET", "/organization/members", "", headers={"Cookie": f"{SESSION}={{session}}"}),
    Place(
        "POST",
        "/user/login",
        "",
        kept={"email": "{somebody}", "password": "{password}"},
        headers={"Cookie": f"{DEVICE_COOKIE}=1.0.1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    ),
    # A session begins, and keeps what the browser calls itself.
    Place(
        "POST",
        "/user/login",
        "",
        kept={"email": "{somebody}", "password": "{password}"},
        headers={"User-Agent": _AGENT},
    ),
    Place(
        "POST",
        f"{MEMBER}/role",
        kept={"role": "AN"},
        headers={"HX-Request": "true", "HX-Current-URL": f"/organization/members?{FILTER}"},
        path_too=False,
    ),
    Place("POST", f"{MEMBER}/role", kept={"role": "RE"}, headers={"Referer": f"/x?{FILTER}"}, path_too=False),
    Place(
        "GET",
        LOG,
        headers={"HX-Request": "true", "HX-Trigger": "search", "HX-Current-URL": f"{LOG}?person=1"},
        path_too=False,
    ),
    # Last, since it ends the invite link.
    _post("/organization/invite-link/reset", first="1"),
)
