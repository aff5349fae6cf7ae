"""Piccolo's view of the project: one app, hand-written migrations."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from db.schema import tables

APP_CONFIG = AppConfig(
    app_name="gatehouse",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[
        tables.Installation,
        tables.Member,
        tables.Organization,
        tables.RoleNote,
        tables.RoleCount,
        tables.Session,
        tables.Link,
        tables.RateLimit,
        tables.Activity,
        tables.ActivityMark,
        tables.ActivityName,
        tables.Batch,
        tables.Invitation,
        tables.InvitationLinkViewer,
        tables.AccessRequest,
        tables.Upload,
        tables.Draft,
        tables.Outbox,
    ],
)
