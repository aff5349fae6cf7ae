"""The content of the Invite Members dialog: the link, and the form for invitations by mail."""

from dataclasses import dataclass
from typing import Any, Final

import segno
from markupsafe import Markup

from db import policy
from db.auth.links import Link
from db.common import clock
from db.invitations.creation import InvitePreview
from db.organization import invite_link
from db.organization import settings as organization_settings
from db.policy import Role
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.organization.sharing import invite_address
from messages import phrases

FIELDS: Final = ("emails", "role", "others")


async def invite_context(
    request: AnyRequest,
    *,
    form: Form | None = None,
    preview: InvitePreview | None = None,
    chosen: str = "link",
) -> dict[str, Any]:
    """For organization/invitations/_invite.html. chosen: the tab in front, "link" or "email"."""
    return {
        **await link_context(request, await invite_link.present()),
        "roles": await role_lines(request),
        "form": form or Form(FIELDS, {"role": [Role.ANNOTATOR.value]}),
        "preview": preview,
        "chosen": chosen,
        "days": context_of(request).settings.invitation_days,
    }


async def link_context(request: AnyRequest, link: Link) -> dict[str, Any]:
    """For organization/invitations/_invite_link.html."""
    address = invite_address(request, link)
    return {
        "address": address,
        "link": link,
        "invalid_reason": link.invalid_reason(clock.now()),
        "where": (await invite_link.limits()).where,
        "qr": _qr(address),
        "chosen": "link",
    }


@dataclass(frozen=True, slots=True)
class RoleLine:
    """The rights of a role, here and in the app, in the Owner's words or in the default words."""

    role: Role
    rights: list[str]
    in_app: str
    field: str


async def role_lines(request: AnyRequest) -> list[RoleLine]:
    """For organization/settings/_roles.html: every role, in the order of rank."""
    notes, app_name = await organization_settings.notes(), context_of(request).settings.app_name
    return [
        RoleLine(
            role,
            policy.rights(role, app_name),
            notes.get(role) or phrases.USUALLY[role],
            f"note_{role.value}",
        )
        for role in Role
    ]


def _qr(address: str) -> Markup:
    """The link as a QR code, inline SVG without styles; black on white in every colour scheme."""
    drawn = segno.make(address, error="m", micro=False)
    svg = drawn.svg_inline(
        scale=1,
        border=2,
        omitsize=True,
        dark="#000",
        light="#fff",
        title=phrases.QR_CODE,
        svgclass="qr__code",
        lineclass=None,
    )
    return Markup(svg)
