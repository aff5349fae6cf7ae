"""Settings: every variable of CONTRACT.md §2, what is accepted, and what is said of the rest."""

from pathlib import Path

import pytest

from settings import Settings, WrongSetting


def read(environment: dict[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    return Settings.from_environment(environment or {}, dotenv)


def wrong(**environment: str) -> str:
    """The one line that says what is wrong with this environment."""
    with pytest.raises(WrongSetting) as raised:
        read(environment)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_without_an_environment_everything_has_its_default() -> None:
    settings = read()

    assert settings == Settings()
    assert settings.database_url.endswith("/data/gatehouse.db")
    assert (settings.closed, settings.host, settings.mail, settings.trusted_proxies) == (False, "", None, ())
    assert (settings.max_session_age, settings.max_time_between_activity) == (14 * 86400, 5 * 86400)
    assert (settings.app_name, settings.invitation_days, settings.activity_days) == ("Label Studio", 7, 400)


@pytest.mark.parametrize("word", ["true", "yes", "on", "1", "True", "YES", " on "])
def test_these_words_are_true(word: str) -> None:
    assert read({"DISABLE_SIGNUP_WITHOUT_LINK": word}).closed is True


@pytest.mark.parametrize("word", ["false", "no", "not", "off", "0", "FALSE", "Not"])
def test_these_words_are_false(word: str) -> None:
    assert read({"DISABLE_SIGNUP_WITHOUT_LINK": word}).closed is False


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("DISABLE_SIGNUP_WITHOUT_LINK", "maybe", "true, yes, on, 1"),
        ("DISABLE_SIGNUP_WITHOUT_LINK", "2", "true, yes, on, 1"),
        ("LABEL_STUDIO_HOST", "members.example.org", "https://members.example.org"),
        ("HOST", "ftp://members.example.org", "https://members.example.org"),
        ("HOST", "https://members.example.org/?a=b", "https://members.example.org"),
        ("HOST", "https://ada:pw@members.example.org", "https://members.example.org"),
        ("HOST", 'https://members.example.org/"x', "https://members.example.org"),
        ("HOST", "https://members.example.org:port", "https://members.example.org"),
        ("APP_URL", "javascript:alert(1)", "https://"),
        ("INVITATION_DAYS", "0", "from 1 to 365"),
        ("INVITATION_DAYS", "seven", "from 1 to 365"),
        ("INVITATION_DAYS", "٧", "from 1 to 365"),
        ("MAX_SESSION_AGE", "-5", "whole number"),
        ("MAX_TIME_BETWEEN_ACTIVITY", "1e9", "whole number"),
        ("ACTIVITY_DAYS", "4.5", "whole number"),
        ("EMAIL_PORT", "99999", "65535"),
        ("EMAIL_USE_TLS", "starttls", "true, yes, on, 1"),
        ("EMAIL_TIMEOUT", "0", "from 1 to 600"),
        ("FROM_EMAIL", "Gatehouse", "members@example.org"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy", "10.0.0.0/8"),
    ],
)
def test_a_wrong_value_is_named_with_variable_value_and_what_is_accepted(
    variable: str, value: str, accepted: str
) -> None:
    said = wrong(**{variable: value})

    assert said.startswith(f"{variable}={value!r}")
    assert accepted in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", "too-short-a-key"),
        ("LABEL_STUDIO_SECRET_KEY", "too-short-a-key"),
        ("DATABASE_URL", "mysql://gatehouse:pass-of-db@host/db"),
        ("DATABASE_URL", "sqlite://data.db"),
    ],
)
def test_a_secret_is_never_printed(variable: str, value: str) -> None:
    said = wrong(**{variable: value})

    assert variable in said
    assert value not in said
    assert "pass-of-db" not in said


def test_secrets_stay_out_of_the_settings_own_words() -> None:
    settings = read(
        {
            "SECRET_KEY": "s" * 40,
            "LABEL_STUDIO_USERNAME": "ada@example.org",
            "LABEL_STUDIO_PASSWORD": "pass-of-the-owner",
            "HOST": "https://members.example.org",
            "EMAIL_HOST": "mail.example.org",
            "EMAIL_HOST_PASSWORD": "pass-of-the-mail",
        }
    )

    assert "s" * 40 not in repr(settings)
    assert "pass-of-the" not in repr(settings)


def test_the_prefixed_name_wins() -> None:
    settings = read({"LABEL_STUDIO_APP_NAME": "Prefixed", "APP_NAME": "Plain"})

    assert settings.app_name == "Prefixed"


@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_is_unset(empty: str) -> None:
    settings = read({"LABEL_STUDIO_APP_NAME": empty, "APP_NAME": "Plain", "HOST": empty, "EMAIL_HOST": empty})

    assert (settings.app_name, settings.host, settings.mail) == ("Plain", "", None)


def test_a_host_that_is_a_machines_name_is_ignored_with_a_warning() -> None:
    settings = read({"HOST": "debian"})

    assert settings.host == ""
    assert len(settings.warnings) == 1
    assert "'debian'" in settings.warnings[0]


def test_username_and_password_count_only_with_the_prefix() -> None:
    settings = read({"USERNAME": "login-of-the-shell", "PASSWORD": "hm"})

    assert (settings.username, settings.password) == ("", "")


def test_username_without_password_is_refused() -> None:
    assert "LABEL_STUDIO_PASSWORD" in wrong(LABEL_STUDIO_USERNAME="ada@example.org")


def test_mail_needs_the_public_address() -> None:
    assert wrong(EMAIL_HOST="mail.example.org").startswith("HOST is not set")

    settings = read({"EMAIL_HOST": "mail.example.org", "HOST": "https://members.example.org/club/"})

    assert settings.mail is not None
    assert (settings.mail.port, settings.mail.use_tls, settings.mail.use_ssl) == (587, True, False)
    assert settings.mail.timeout == 10


@pytest.mark.parametrize(
    ("host", "root", "https"),
    [
        ("https://members.example.org", "", True),
        ("https://members.example.org/", "", True),
        ("http://192.0.2.4:9000/members/", "/members", False),
    ],
)
def test_the_public_address_tells_the_sub_path_and_whether_cookies_are_secure(
    host: str, root: str, https: bool
) -> None:
    settings = read({"HOST": host})

    assert (settings.host, settings.root, settings.https) == (host.rstrip("/"), root, https)


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("postgres://ada:pw@db/members", "postgresql://ada:pw@db/members"),
        ("postgresql://ada:pw@db/members?sslmode=require", "postgresql://ada:pw@db/members?sslmode=require"),
        ("sqlite:////srv/members.db", "sqlite:////srv/members.db"),
    ],
)
def test_databases_are_given_as_urls(given: str, read_as: str) -> None:
    assert read({"DATABASE_URL": given}).database_url == read_as


def test_a_relative_database_counts_from_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    url = read({"DATABASE_URL": "sqlite:///data/other.db"}).database_url

    checkout = Path(__file__).resolve().parent.parent
    assert url == f"sqlite:///{checkout / 'data' / 'other.db'}"


def test_trusted_proxies_are_addresses_and_networks() -> None:
    settings = read({"TRUSTED_PROXIES": "127.0.0.1, 10.1.2.3/8 ,::1,"})

    assert list(map(str, settings.trusted_proxies)) == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]


def test_the_file_beside_app_py_is_read_and_the_real_environment_wins(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "# A comment\n\nexport APP_NAME='Bild = Text'\nINVITATION_DAYS = 30\nACTIVITY_DAYS=100\nHOST=\n"
    )

    settings = read({"ACTIVITY_DAYS": "200", "INVITATION_DAYS": ""}, dotenv)

    assert settings.app_name == "Bild = Text"
    assert settings.invitation_days == 30
    assert settings.activity_days == 200


def test_a_line_that_is_no_setting_is_named_by_its_number_and_not_shown(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("APP_NAME=Fine\nSECRET_KEY: abc\n")

    with pytest.raises(WrongSetting, match=r"\.env line 2") as raised:
        read({}, dotenv)

    assert "abc" not in str(raised.value)
