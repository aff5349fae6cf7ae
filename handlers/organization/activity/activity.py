"""/organization/activity: the log, its filter, its news, its CSV, and erasing a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from litestar import Controller, Response, get, post
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK
from markupsafe import Markup

from db import engine, policy
from db.activity import Event, retention
from db.activity import kept_names as activity_names
from db.activity import listing as activity_listing
from db.activity.listing import EventFilter
from db.common import clock
from db.errors import Invalid, Unknown
from db.members import removal
from db.members.directory import people as activity_people
from db.members.directory.people import Found
from handlers.http.auth import identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from handlers.organization import spreadsheet
from handlers.organization.activity.kinds import GROUPS, KINDS
from handlers.organization.wording import event_sentence
from messages import by_field, logbook, refusals, toasts

PATH: Final = "/organization/activity"


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as the page shows it. at: in ms. address: of the network.

    erasable: the removed member whose name the Owner can erase here, 0 for none.
    """

    id: int
    at: int
    sentence: Markup
    address: str
    erasable: int


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """The filter of a request. typed: its fields as they were typed. errors: the errors of these fields.

    people: several people who match. person_name: the one who was chosen, "" for nobody.
    """

    filter: EventFilter
    typed: Mapping[str, str]
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    people: Sequence[Found] = ()
    person_name: str = ""

    @property
    def unclear(self) -> bool:
        """Whether the search for a person found nobody, or more than one."""
        return bool(self.typed["who"]) and not self.person_name and "who" not in self.errors


class ActivityController(Controller):
    path = PATH
    guards = [Requires(policy.may_read_activity)]

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        asked = await _activity_query(request)
        status = 422 if asked.errors else 200
        if not rendering.wants_fragment(request):
            return await _page(request, asked, status)
        headers = {} if asked.errors else _history(request, asked.filter)
        context = await _listed(request, asked)
        return rendering.fragment(
            request, "organization/activity/_activity_found.html", status=status, headers=headers, **context
        )

    @get("/news")
    async def news(self, request: AnyRequest) -> Response[bytes]:
        """For the open page, which polls it: the number of new events, or 204 if it shows that already."""
        query = _query(request)
        shown = EventFilter.parse(query, KINDS)
        number = await activity_listing.count_new(shown, query.get("top", ["0.0"])[0])
        if str(number) == query.get("seen", ["0"])[0]:
            return Response(b"", status_code=204, media_type=rendering.HTML)
        most = number == activity_listing.MAX_NEW
        return rendering.fragment(
            request, "organization/activity/_news.html", number=number, most=most, address=_address(shown)
        )


class ErasureController(Controller):
    """Erases the name of a removed member from the log, after a confirmation."""

    path = f"{PATH}/erasure"
    guards = [Requires(policy.may_erase_names)]

    @get()
    async def ask(self, request: AnyRequest) -> Response[bytes]:
        wanted = row_id(request.query_params.get("member", ""))
        kept = await engine.read(activity_names.of_member, wanted)
        if kept is None:
            raise Unknown(refusals.NO_NAME_KEPT)
        others = await engine.read(activity_names.same_address, kept)
        return await rendering.page(request, "organization/activity/erasure.html", kept=kept, others=others)

    @post(status_code=HTTP_200_OK)
    async def erase(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, "member")
        form.check()
        wanted = [row_id(number) for number in (form["member"], *form.several("also"))]
        done = await removal.erase_names(identity.actor_of(current, request), member_ids=wanted)
        return rendering.redirect(request, PATH, notice=toasts.NAMES_ERASED.format(done))


@get(f"{PATH}.csv", guards=[Requires(policy.may_read_activity)])
async def export(request: AnyRequest) -> Stream:
    """Every event that the filter shows, as CSV."""
    batches = activity_listing.export(EventFilter.parse(_query(request), KINDS))
    # The first batch is read before the answer begins, so that an error still gets a status.
    first: list[Event] = await anext(batches, [])
    headers = {"Content-Disposition": 'attachment; filename="activity.csv"'}
    return Stream(spreadsheet.events(first, batches), media_type="text/csv", headers=headers)


def _history(request: AnyRequest, shown: EventFilter) -> dict[str, str]:
    """The header that puts the list's address into the browser's history.

    While a person goes on typing, each search replaces the one before, so that Back leaves the search.
    """
    before, now = rendering.current_page(request), _path(shown)
    asked_before = {"person", "invited"} & parse_qs(urlsplit(before).query).keys()
    typed_on = request.headers.get("hx-trigger") == "search" and (before == now or asked_before)
    return {"HX-Replace-Url" if typed_on else "HX-Push-Url": context_of(request).settings.root + now}


def _query(request: AnyRequest) -> dict[str, list[str]]:
    """The query of the address. Its days are in the account's time zone, or else in the browser's."""
    zone = request.scope["state"]["current"].time_zone
    return request.query_params.dict() | ({"zone": [zone]} if zone else {})


async def _activity_query(request: AnyRequest) -> ActivityQuery:
    """The filter in the address. A wrong value is ignored, and gets an error at its field."""
    query = _query(request)
    typed = {name: _typed(query, name) for name in ("who", "kind", "from", "to")}
    errors: dict[str, list[str]] = {}
    try:
        shown = EventFilter.parse(query, KINDS)
    except Invalid as error:
        errors = error.errors
        right = {name: values for name, values in query.items() if name not in errors}
        shown = EventFilter.parse({**right, "to": []} if "from" in errors else right, KINDS)
    if len(query.get("who", [""])[0]) > activity_listing.MAX_CHARACTERS:
        errors = {**errors, "who": [by_field.LOOK_FOR_AT_MOST.format(most=activity_listing.MAX_CHARACTERS)]}
        return ActivityQuery(shown, typed, errors)
    return await _with_person(shown, typed, errors, looked_for="who" in query)


async def _with_person(
    shown: EventFilter, typed: dict[str, str], errors: Mapping[str, list[str]], *, looked_for: bool
) -> ActivityQuery:
    """Finds the person of the filter. The search field holds their name; another text searches again."""
    name = await _name_of(shown)
    if name and (not looked_for or typed["who"] == name):
        return ActivityQuery(shown, {**typed, "who": name}, errors, person_name=name)
    people = await activity_people.find(typed["who"]) if typed["who"] else ()
    if len(people) == 1:
        one = people[0]
        narrowed = replace(shown, person=one.person, invited=one.invitation, after=None, before=None)
        return ActivityQuery(narrowed, {**typed, "who": one.label}, errors, person_name=one.label)
    return ActivityQuery(replace(shown, person=0, invited=0), typed, errors, people=people)


async def _name_of(shown: EventFilter) -> str:
    """The name of the person in the filter, "" for nobody."""
    if not shown.person and not shown.invited:
        return ""
    person = await activity_people.one(person=shown.person, invitation=shown.invited)
    return person.label if person else logbook.GONE


def _typed(query: Mapping[str, list[str]], name: str) -> str:
    text = "".join(char for char in query.get(name, [""])[0] if char.isprintable())
    return text.strip()[: activity_listing.MAX_CHARACTERS]


async def _page(request: AnyRequest, asked: ActivityQuery, status: int) -> Response[bytes]:
    app_context = context_of(request)
    context = await _listed(request, asked) | {
        "days": await app_context.days.last(),
        "kept_days": app_context.settings.activity_days,
        "forgotten_before": await retention.mark(),
    }
    return await rendering.page(request, "organization/activity/activity.html", status=status, **context)


async def _listed(request: AnyRequest, asked: ActivityQuery) -> dict[str, Any]:
    """The context of the list's template."""
    shown = asked.filter
    page = await activity_listing.page(shown)
    current, organization = (
        request.scope["state"]["current"],
        f"{context_of(request).settings.root}/organization",
    )
    may_erase = policy.may_erase_names(current.role)
    return {
        "asked": asked,
        "filter": shown,
        "page": page,
        "lines": [
            EventRow(
                event.id,
                event.at,
                event_sentence(event, organization),
                event.address,
                erasable=event.subject_removed if may_erase and event.kind == "removed" else 0,
            )
            for event in page.events
        ],
        "live": bool(page.top) and not asked.unclear and (not shown.until or shown.until > clock.now()),
        "groups": GROUPS,
        "label": logbook.KINDS.__getitem__,
        "max_people": activity_people.MAX_PEOPLE,
    }


def _address(shown: EventFilter, **cursors: str) -> str:
    """The address of this filter's page, below the sub-path: the newest, or that at `after` or `before`."""
    query = shown.address(**cursors)
    return f"{PATH}?{query}" if query else PATH


def _path(shown: EventFilter) -> str:
    """The address of what is shown, with its cursor."""
    cursors = {name: getattr(shown, name) for name in ("after", "before")}
    texts = {name: f"{cursor.at}.{cursor.id}" for name, cursor in cursors.items() if cursor}
    return _address(shown, **texts)
