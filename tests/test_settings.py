"""Settings: every variable, what is accepted, and what is said of the rest."""

import re
from pathlib import Path

import pytest

from settings import TABLE, Settings, WrongSetting
from tests.tools import docs


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
        ("HOST", 'https://members.example.org/"x', "https://members.example.org"),
        ("HOST", "https://members.example.org:port", "https://members.example.org"),
        ("HOST", "https://members.example.org:0", "port from 1 to 65535"),
        ("HOST", "https://members.example.org:99999", "port from 1 to 65535"),
        ("HOST", "http://members.example.org/my%20members", "letters, digits"),
        ("HOST", "http://members.example.org/my members", "letters, digits"),
        ("HOST", "http://members.example.org/a/../b", "letters, digits"),
        ("HOST", "http://members.example.org/a/./b", "letters, digits"),
        ("HOST", "http://members.example.org/a//b", "single slashes"),
        ("HOST", "http://members.example.org/mitglieder-übersicht", "letters, digits"),
        ("HOST", "http://members.example.org/a;b", "letters, digits"),
        ("HOST", "http://members.example.org/user/", "/user"),
        ("HOST", "http://members.example.org/organization/x", "/organization"),
        ("HOST", "http://members.example.org#top", "without ? and #"),
        ("HOST", "http://members.example.org,", "https://members.example.org"),
        ("HOST", "http://mem bers.example.org", "https://members.example.org"),
        ("HOST", "http://members..example.org", "https://members.example.org"),
        ("HOST", "http://-members.example.org", "https://members.example.org"),
        ("HOST", "http://" + "m" * 64 + ".example.org", "https://members.example.org"),
        ("HOST", "http://[fe80::1%25eth0]", "https://members.example.org"),
        ("HOST", "http://[192.0.2.1]", "https://members.example.org"),
        ("HOST", "http://192.0.2.999", "https://members.example.org"),
        ("HOST", "http://127.1", "https://members.example.org"),
        ("HOST", "http://0.0.0.0:8080", "that people open"),
        ("HOST", "http://[::]:8080", "that people open"),
        ("HOST", "https:members.example.org", "https://members.example.org"),
        ("HOST", "https://", "https://members.example.org"),
        ("APP_URL", "javascript:alert(1)", "https://"),
        ("APP_URL", "https://x.example/a b", "https://"),
        ("APP_URL", "https://x.example:0/", "port from 1 to 65535"),
        ("APP_URL", "x.example/projects", "https://"),
        ("APP_NAME", "A" * 101, "100 visible characters"),
        ("APP_NAME", "A\u202eB", "visible characters"),
        ("EMAIL_HOST", "smtp://smtp.example.org", "its port goes into EMAIL_PORT"),
        ("EMAIL_HOST", "smtp.example.org:587", "its port goes into EMAIL_PORT"),
        ("EMAIL_HOST", "smtp.example.org/", "its port goes into EMAIL_PORT"),
        ("EMAIL_HOST", "smtp example.org", "its port goes into EMAIL_PORT"),
        ("FROM_EMAIL", "a@example.org, b@example.org", "one address"),
        ("FROM_EMAIL", "jörg@example.org", "one address"),
        ("FROM_EMAIL", "Ada <ada@example..org>", "one address"),
        ("FROM_EMAIL", "@example.org", "one address"),
        ("SESSION_COOKIE_DOMAIN", "https://example.org", "a domain like example.org"),
        ("TRUSTED_PROXIES", "127.0.0.1:8080", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/99", "10.0.0.0/8"),
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


@pytest.mark.parametrize("variable", ["HOST", "APP_URL"])
def test_what_stands_before_an_at_in_an_address_is_not_shown(variable: str) -> None:
    said = wrong(**{variable: "https://ada:pass-of@/ada@members.example.org"})

    assert said.startswith(f"{variable}='…@members.example.org'")
    assert "pass-of" not in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", "too-short-a-key"),
        ("LABEL_STUDIO_SECRET_KEY", "too-short-a-key"),
        ("DATABASE_URL", "mysql://gatehouse:pass-of-db@host/db"),
        ("DATABASE_URL", "sqlite://data.db"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///data/members.db?mode=ro"),
        ("DATABASE_URL", "sqlite:////srv/data/"),
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


def test_each_setting_whose_name_speaks_of_a_secret_is_shown_to_nobody() -> None:
    secret = [one for one in TABLE if re.search("KEY|PASSWORD|SECRET|TOKEN", one.name)]

    assert len(secret) >= 3
    assert [one.name for one in secret if not one.shown.nowhere] == []


def test_no_two_settings_share_a_variable() -> None:
    variables = [variable for one in TABLE for variable in one.variables]

    assert sorted(set(variables)) == sorted(variables)


def test_the_page_for_operators_lists_every_setting() -> None:
    page = docs.FILE.read_text("utf-8")

    assert docs.with_table(page) == page, "settings.py has changed: make docs"


def test_the_prefixed_name_wins() -> None:
    settings = read({"LABEL_STUDIO_APP_NAME": "Prefixed", "APP_NAME": "Plain"})

    assert settings.app_name == "Prefixed"


@pytest.mark.parametrize("empty", ["", "  ", "''", '""', ' " " '])
def test_empty_is_unset(empty: str) -> None:
    settings = read({"LABEL_STUDIO_APP_NAME": empty, "APP_NAME": "Plain", "HOST": empty, "EMAIL_HOST": empty})

    assert (settings.app_name, settings.host, settings.mail) == ("Plain", "", None)


@pytest.mark.parametrize("empty", ["''", '""', "' '"])
def test_quotation_marks_around_nothing_leave_registration_closed(empty: str, tmp_path: Path) -> None:
    name = "DISABLE_SIGNUP_WITHOUT_LINK"
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{name}=true\n")

    assert read({f"LABEL_STUDIO_{name}": empty, name: "true"}).closed
    assert read({name: empty}, dotenv).closed
    assert read({f"LABEL_STUDIO_{name}": empty}, dotenv).closed


@pytest.mark.parametrize(
    "name", ["PASSWORD", "USERNAME", "EMAIL_HOST_PASSWORD", "SECRET_KEY", "DATABASE_URL"]
)
def test_quotation_marks_around_nothing_are_no_secret(name: str) -> None:
    settings = read({f"LABEL_STUDIO_{name}": "''"})

    assert (settings, settings.warnings) == (read({}), ())


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
        ("HTTPS://Members.Example.org/Club/", "https://members.example.org/Club"),
        ("https://members.example.org:443/", "https://members.example.org"),
        ("http://members.example.org:080", "http://members.example.org"),
        ("https://members.example.org:", "https://members.example.org"),
        ("https://members.example.org./?", "https://members.example.org"),
        ("https://members.example.org/club#", "https://members.example.org/club"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://members.example.org\u200b", "https://members.example.org"),
        ("http://my_server:8080", "http://my_server:8080"),
        ("http://[2001:DB8:0::1]:8080", "http://[2001:db8::1]:8080"),
        ("'https://members.example.org'", "https://members.example.org"),
        (' "https://members.example.org" ', "https://members.example.org"),
        ("https://members.example.org/~lab/my-app_2.0", "https://members.example.org/~lab/my-app_2.0"),
    ],
)
def test_the_public_address_is_taken_in_plain_form(given: str, read_as: str) -> None:
    assert read({"HOST": given}).host == read_as


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example/projects?tab=1",
        "https://x.example/projects/?tab=1&next=/",
        "https://x.example/#/projects",
        "http://192.0.2.4:9000/a%20b?q=%C3%BC",
        "https://x.example/büro?a=[1]",
    ],
)
def test_the_app_may_be_at_any_http_address(address: str) -> None:
    assert read({"APP_URL": address}).app_url == address


def test_the_public_address_is_at_most_500_characters_long() -> None:
    longest = "https://members.example.org/" + "a" * 472

    assert read({"HOST": longest}).host == longest
    assert wrong(HOST=f"{longest}a").endswith(
        " can't be used: accepted is an address of up to 500 characters."
    )


@pytest.mark.parametrize(
    ("given", "read_as"),
    [("[::1]", "::1"), ("SMTP.example.org.", "smtp.example.org"), ("post_office", "post_office")],
)
def test_a_mail_server_is_a_name_or_an_address(given: str, read_as: str) -> None:
    mail = read({"EMAIL_HOST": given, "HOST": "https://members.example.org"}).mail

    assert mail is not None
    assert mail.host == read_as


def warnings(**environment: str) -> list[str]:
    return list(read(environment).warnings)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINKS", "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"),
        ("LABEL_STUDIO_HOTS", "LABEL_STUDIO_HOST"),
        ("LABEL_STUDIO_DATABASEURL", "LABEL_STUDIO_DATABASE_URL"),
        ("label_studio_app_name", "LABEL_STUDIO_APP_NAME"),
        ("LABELSTUDIO_APP_URL", "LABEL_STUDIO_APP_URL"),
        ("LABEL_STUDIO_EMAIL_HOST_PASSWROD", "LABEL_STUDIO_EMAIL_HOST_PASSWORD"),
    ],
)
def test_a_name_that_is_nearly_ours_is_warned_about_with_the_nearest(
    misspelt: str, meant: str, tmp_path: Path
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{misspelt}=value-not-shown\n")
    said = f"{misspelt} is no setting and is ignored: did you mean {meant}?"

    assert warnings(**{misspelt: "value-not-shown"}) == [said]
    assert list(read({}, dotenv).warnings) == [said]


@pytest.mark.parametrize(
    "name",
    [
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED",
        "LABEL_STUDIO_PORT",
        "LABEL_STUDIO_DATABASE_NAME",
        "DISABLE_SIGNUP_WITHOUT_LINKS",
        "HOSTNAME",
    ],
)
def test_names_of_others_are_not_warned_about(name: str) -> None:
    assert warnings(**{name: "true"}) == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TRUSTED_PROXIES": "0.0.0.0/0", "HOST": "http://a.example"}, "TRUSTED_PROXIES believes everybody"),
        ({"TRUSTED_PROXIES": "127.0.0.1"}, "HOST is not set, though TRUSTED_PROXIES is"),
        ({"MAX_SESSION_AGE": "3600", "MAX_TIME_BETWEEN_ACTIVITY": "7200"}, "longer than MAX_SESSION_AGE"),
        ({"EMAIL_PORT": "25", "FROM_EMAIL": "ada@example.org"}, "no mail is sent and EMAIL_PORT, FROM_EMAIL"),
        (
            {"EMAIL_HOST": "x", "HOST": "http://x", "EMAIL_USE_TLS": "true", "EMAIL_USE_SSL": "true"},
            "both true",
        ),
        ({"EMAIL_HOST": "x", "HOST": "http://x", "EMAIL_HOST_USER": "ada"}, "belong together"),
        ({"SECRET_KEY": f"'{'s' * 40}'"}, "a part of the secret"),
    ],
)
def test_what_can_be_read_but_is_of_no_use_is_warned_about_once(
    environment: dict[str, str], said: str
) -> None:
    (warning,) = warnings(**environment)

    assert said in warning
    assert "sss" not in warning


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("'Our Labels'", "Our Labels"),
        ('"Our Labels"', "Our Labels"),
        ("'A' and 'B'", "'A' and 'B'"),
        ("'", "'"),
    ],
)
def test_quotation_marks_that_a_program_has_handed_on_are_dropped(given: str, read_as: str) -> None:
    assert read({"APP_NAME": given}).app_name == read_as


def test_a_session_never_idles_for_longer_than_it_lives() -> None:
    settings = read({"MAX_SESSION_AGE": "3600"})

    assert (settings.max_session_age, settings.max_time_between_activity) == (3600, 3600)
    assert settings.warnings == ()


def test_a_user_that_is_no_address_cannot_be_the_sender() -> None:
    mail = {"EMAIL_HOST": "x", "EMAIL_HOST_USER": "key@", "EMAIL_HOST_PASSWORD": "p"}
    environment = {**mail, "HOST": "http://members.example.org"}

    assert wrong(**environment).startswith("FROM_EMAIL is not set")
    assert read({**environment, "FROM_EMAIL": "ada@example.org"}).mail is not None


@pytest.mark.parametrize("value", ["Labels\udcfc", "Label\nStudio", "Label\x1b[31m"])
def test_text_that_no_page_could_show_is_refused_without_showing_it(value: str) -> None:
    said = wrong(APP_NAME=value)

    assert said.startswith("APP_NAME can't be used: its value")
    assert said.isascii()


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("postgres://ada:pw@db/members", "postgresql://ada:pw@db/members"),
        ("postgresql://ada:pw@db/members?sslmode=require", "postgresql://ada:pw@db/members?sslmode=require"),
        ("postgresql+psycopg2://ada:pw@db/members", "postgresql://ada:pw@db/members"),
        ("POSTGRESQL+asyncpg://ada:pw@db:5433/members", "postgresql://ada:pw@db:5433/members"),
        ("postgresql://ada:pâss:w%2Ford@db/members", "postgresql://ada:p%C3%A2ss:w%2Ford@db/members"),
        ("postgresql://ada@/members?host=/var/run/pg", "postgresql://ada@/members?host=/var/run/pg"),
        (
            "postgresql://ada:pw@db/members?sslmode=require&options=-c%20a=b",
            "postgresql://ada:pw@db/members?sslmode=require&options=-c%20a=b",
        ),
        ("postgresql://ada@a:1,[::1]:2/members", "postgresql://ada@a:1,[::1]:2/members"),
        ("sqlite+aiosqlite:////srv/members.db", "sqlite:////srv/members.db"),
        ("sqlite:////srv/members.db", "sqlite:////srv/members.db"),
    ],
)
def test_databases_are_given_as_urls(given: str, read_as: str) -> None:
    assert read({"DATABASE_URL": given}).database_url == read_as


@pytest.mark.parametrize("url", ["postgresql://ada:pw@db/members # note", "sqlite:///data/members.db # note"])
def test_a_note_behind_a_database_is_named_as_what_is_wrong(url: str, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"DATABASE_URL={url}\n")

    with pytest.raises(WrongSetting, match="a note can't follow it") as raised:
        read({}, dotenv)

    assert "members" not in str(raised.value)


def test_a_relative_database_counts_from_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    url = read({"DATABASE_URL": "sqlite:///data/other.db"}).database_url

    checkout = Path(__file__).resolve().parent.parent
    assert url == f"sqlite:///{checkout / 'data' / 'other.db'}"


def test_trusted_proxies_are_addresses_and_networks() -> None:
    settings = read({"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8 ,::1,"})

    assert list(map(str, settings.trusted_proxies)) == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:a00:1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("10.0.0.1/32", "10.0.0.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("fe80::1%eth0", "fe80::1%eth0/128"),
    ],
)
def test_an_ipv4_proxy_written_as_ipv6_is_the_ipv4_proxy(given: str, read_as: str) -> None:
    assert list(map(str, read({"TRUSTED_PROXIES": given}).trusted_proxies)) == [read_as]


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("127.0.0.1, 10.0.0.1/8", "10.0.0.1 or 10.0.0.0/8"),
        ("10.0.0.1/255.0.0.0", "10.0.0.1 or 10.0.0.0/8"),
        ("10.0.0.1/0", "10.0.0.1 or 0.0.0.0/0"),
        ("2001:db8::1/32", "2001:db8::1 or 2001:db8::/32"),
        ("::ffff:10.0.0.1/104", "10.0.0.1 or 10.0.0.0/8"),
    ],
)
def test_an_address_inside_a_network_is_refused_with_both_things_it_may_mean(
    given: str, instead: str
) -> None:
    said = wrong(TRUSTED_PROXIES=given)

    assert said.startswith(f"TRUSTED_PROXIES={given!r}")
    assert said.endswith(f": write {instead}.")
    assert "\n" not in said


def test_the_file_beside_app_py_is_read_and_the_real_environment_wins(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "# A comment\n\nexport APP_NAME='Bild = Text'\nINVITATION_DAYS = 30\nACTIVITY_DAYS=100\nHOST=\n"
    )

    settings = read({"ACTIVITY_DAYS": "200", "INVITATION_DAYS": ""}, dotenv)

    assert settings.app_name == "Bild = Text"
    assert settings.invitation_days == 30
    assert settings.activity_days == 200


def test_a_password_with_a_hash_sign_in_the_file_is_used_whole(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "HOST=https://members.example.org # note\nEMAIL_HOST=smtp.example.org\n"
        "EMAIL_HOST_USER=ada@example.org\nEMAIL_HOST_PASSWORD=pass #word\n"
    )
    dotenv.chmod(0o600)

    settings = read({}, dotenv)

    assert settings.mail is not None
    assert (settings.mail.password, settings.host) == ("pass #word", "https://members.example.org")
    assert len(settings.warnings) == 1
    assert settings.warnings[0].startswith(".env line 4: EMAIL_HOST_PASSWORD is a secret")
    assert "#word" not in str(settings.warnings)


def test_a_line_that_is_no_setting_is_named_by_its_number_and_not_shown(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("APP_NAME=Fine\nSECRET_KEY: abc\n")

    with pytest.raises(WrongSetting, match=r"\.env line 2") as raised:
        read({}, dotenv)

    assert "abc" not in str(raised.value)
