"""The site map: every route of the application."""

from handlers import health, home
from handlers.organization import start
from handlers.organization.activity import activity
from handlers.organization.activity.activity import ActivityController, ErasureController
from handlers.organization.invitations import invite
from handlers.organization.invitations.access_requests import AccessRequestsController
from handlers.organization.invitations.imports import ImportController
from handlers.organization.invitations.invitations import InvitationsController
from handlers.organization.members.member import MemberController
from handlers.organization.members.members import MembersController
from handlers.organization.settings.mail import send_test_mail
from handlers.organization.settings.ownership import OwnershipController
from handlers.organization.settings.settings import SettingsController, show_roles
from handlers.setup import SetupController
from handlers.user import login, password
from handlers.user.access_request import AccessRequestController
from handlers.user.account import AccountController
from handlers.user.confirmation import ConfirmationController
from handlers.user.invitation import InvitationController
from handlers.user.signup import SignupController

ROUTES = (
    home.home,  #                 /
    SetupController,  #           /setup
    SignupController,  #          /user/signup
    AccessRequestController,  #   /user/access-request, …/confirmation
    InvitationController,  #      /user/invitation, …/renewal
    ConfirmationController,  #    /user/confirmation
    login.show_login,  #          /user/login
    login.log_in,
    login.log_out,  #             /user/logout
    password.show_forgot,  #      /user/password/forgot
    password.ask,
    password.show_reset,  #       /user/password/reset
    password.reset,
    AccountController,  #         /user/account, …/notices, …/password, …/sessions
    start.start,  #               /organization
    MembersController,  #         /organization/members, …/news, …/members.csv, …/roles
    MemberController,  #          /organization/members/{id}, …/name, …/sessions, …/end, …/removal
    invite.show_invite,  #        /organization/invite
    invite.reset_link,  #         /organization/invite-link/reset
    InvitationsController,  #     /organization/invitations, …/preview, …/reversal, …/{id}/role
    ImportController,  #          /organization/invitations/import
    AccessRequestsController,  #        /organization/requests/{id}/invitation, …/dismissal, …/reversal
    ActivityController,  #        /organization/activity, …/news
    activity.export,  #           /organization/activity.csv
    ErasureController,  #         /organization/activity/erasure
    SettingsController,  #        /organization/settings
    send_test_mail,  #            /organization/settings/test-mail
    show_roles,  #                /organization/roles
    OwnershipController,  #       /organization/ownership
    health.health,  #             /health
    health.static_file,  #        /static/…
)
