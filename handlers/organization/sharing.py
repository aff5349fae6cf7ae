"""Addresses of links that people copy and pass on."""

from urllib.parse import quote

from db.auth import links
from db.auth.links import Link
from db.invitations.listing import InvitationRow
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest
from messages import phrases


def invite_address(request: AnyRequest, link: Link) -> str:
    """The address where people register by the invite link."""
    return _address(request, "/user/signup", link.purpose, link.id, link.nonce)


def reset_address(request: AnyRequest, link: Link) -> str:
    """The address where a member sets a new password."""
    return _address(request, "/user/password/reset", link.purpose, link.id, link.nonce)


def invitation_address(request: AnyRequest, invitation: InvitationRow) -> str:
    """The address where the invited person accepts."""
    return _address(request, "/user/invitation", links.INVITATION, invitation.link_id, invitation.nonce)


def invitation_mailto(request: AnyRequest, title: str, invitation: InvitationRow) -> str:
    """A mailto: address for a mail with the link. title: of the organization."""
    subject = phrases.MAILTO_SUBJECT.format(title=title)
    link = invitation_address(request, invitation)
    body = phrases.MAILTO_BODY.format(title=title, link=link)
    return f"mailto:{quote(invitation.email)}?subject={quote(subject)}&body={quote(body)}"


def _address(request: AnyRequest, path: str, purpose: str, link_id: int, nonce: str) -> str:
    app_context = context_of(request)
    return f"{app_context.base_of(request)}{path}?token={app_context.signer.token(purpose, link_id, nonce)}"
