"""A CSV file of people to invite."""

import codecs
import contextlib
import time

import pytest

from db.errors import Invalid
from db.invitations.recipients import csv_import, headings
from db.invitations.recipients.address_list import AddressList
from db.policy import Role
from tests.support.modules import ROOT

# Of this process's own work for ten megabytes, which takes one to three seconds, and twice as long on a busy
# machine; what grows with the square of the length takes minutes.
QUICK_SECONDS = 15


def test_columns_may_stand_in_any_order_and_be_left_out() -> None:
    listed = csv_import.parse(b"Last name,email,First Name\nHartmann,lena@x.example,Lena\n")

    (entry,) = listed.entries
    assert (entry.first_name, entry.last_name, entry.role, entry.line) == ("Lena", "Hartmann", None, 2)


@pytest.mark.parametrize(("word", "role"), [("re", Role.REVIEWER), ("Manager", Role.MANAGER), ("", None)])
def test_a_role_is_a_code_or_a_word(word: str, role: Role | None) -> None:
    (entry,) = csv_import.parse(f"email;role\nada@x.example;{word}\n".encode()).entries

    assert entry.role is role
    assert entry.address is not None


@pytest.mark.parametrize("word", ["OW", "Owner", "NO", "DI", "boss"])
def test_another_role_is_wrong_on_its_line(word: str) -> None:
    listed = csv_import.parse(f"email,role\nada@x.example,AN\nbob@x.example,{word}\n".encode())

    (wrong,) = listed.wrong
    assert wrong.line == 3
    assert word in wrong.why


def test_spreadsheets_marks_semicolons_and_blank_lines_are_read() -> None:
    content = '\ufeffemail;first_name\r\nada@x.example;"Ada; Augusta"\r\n\r\nbob@x.example;Bob\r\n'.encode()

    ada, bob = csv_import.parse(content).entries

    assert ada.first_name == "Ada; Augusta"
    assert bob.line == 4


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"address\nada@x.example\n", "email"),
        (b"E-mail 2\nJ\x81rg@x.example\n", "Line 2"),
        ("email,first_name\nada@x.example,Jörg\n".encode() + b"ben@x.example,J\xf6rg\n", "Line 3"),
        ("email\nada@x.example\n".encode("utf-16") + b"x", "text file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "text file"),
        (b"PK\x03\x04\0\0", "text file"),
        (b"email\n" + b"a@x.example\n" * 10_001, "10,000"),
    ],
)
def test_what_is_no_such_file_says_why(content: bytes, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        csv_import.parse(content)


def test_an_unknown_heading_is_named_with_what_was_looked_for() -> None:
    with pytest.raises(Invalid) as refused:
        csv_import.parse(b"Lindenhof,,\nAdresse 1,Telefon,\nada@x.example,1,2\n")

    (said,) = refused.value.errors["file"]
    assert "“Adresse 1”, “Telefon”" in said
    assert "“email”" in said


def test_a_control_character_is_wrong_on_its_line() -> None:
    listed = csv_import.parse(b"email,first_name\nada@x.example,Ada\nbob@x.example,B\x07b\n")

    (wrong,) = listed.wrong
    assert wrong.line == 3
    assert "control characters" in wrong.why


def people(listed: AddressList) -> list[str]:
    return [f"{e.address.email if e.address else e.why} {e.name}".strip() for e in listed.entries]


ADA_AND_BEN = ["ada@x.example Ada Lund", "ben@x.example Ben Okafor"]


@pytest.mark.parametrize(
    "text",
    [
        # Google Workspace, its users and its contacts
        "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],Status\n"
        "Ada,Lund,ada@x.example,****,Active\nBen,Okafor,ben@x.example,****,Active\n",
        "First Name,Middle Name,Last Name,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Value\n"
        "Ada,,Lund,* Work,ada@x.example,other@x.example\nBen,,Okafor,* Work,ben@x.example,\n",
        # Microsoft 365: users to add, active users; Entra; Exchange; Outlook
        "User Name,First Name,Last Name,Display Name,Job Title\n"
        "ada@x.example,Ada,Lund,Ada Lund,\nben@x.example,Ben,Okafor,Ben Okafor,\n",
        "Block credential,Display name,First name,Last name,Proxy addresses,User principal name\n"
        "False,Ada Lund,Ada,Lund,SMTP:ada@x.example,ada@x.example\n"
        "False,Ben Okafor,,,SMTP:ben@x.example,ben@x.example\n",
        "userPrincipalName,displayName,surname,mail,givenName,id,userType\n"
        "ada_y.example#EXT#@x.onmicrosoft.com,Ada Lund,Lund,ada@x.example,Ada,1,Guest\n"
        "ben@x.onmicrosoft.com,Ben Okafor,Okafor,ben@x.example,Ben,2,Member\n",
        'DisplayName,PrimarySmtpAddress\nAda Lund,ada@x.example\n"Okafor, Ben",ben@x.example\n',
        "Title,First Name,Last Name,E-mail Address,E-mail 2 Address,E-mail Display Name\n"
        ",Ada,Lund,ada@x.example,,Ada\n,Ben,Okafor,ben@x.example,other@x.example,Ben\n",
        # Thunderbird, forms, German Excel, LDAP
        "First Name,Last Name,Display Name,Nickname,Primary Email,Secondary Email\n"
        "Ada,Lund,Ada Lund,,ada@x.example,\nBen,Okafor,Ben Okafor,,ben@x.example,\n",
        "Timestamp,Email Address,What is your name?\n"
        "1/1,ada@x.example,Ada Lund\n1/2,ben@x.example,Ben Okafor\n",
        "Vorname;Nachname;E-Mail\nAda;Lund;ada@x.example\nBen;Okafor;ben@x.example\n",
        "Name;Vorname;E-Mail-Adresse\nLund;Ada;ada@x.example\nOkafor;Ben;ben@x.example\n",
        "Vor- und Nachname;Mail\nAda Lund;ada@x.example\nBen Okafor;ben@x.example\n",
        "givenName,sn,mail\nAda,Lund,ada@x.example\nBen,Okafor,ben@x.example\n",
        # Others
        "prénom;nom;courriel\nAda;Lund;ada@x.example\nBen;Okafor;ben@x.example\n",
        "Nombre;Apellidos;Correo electrónico\nAda;Lund;ada@x.example\nBen;Okafor;ben@x.example\n",
        "NAME|EMAIL (work)\nAda Lund|ada@x.example\nBen Okafor|ben@x.example\n",
        "Name\tE-mail:\nAda Lund\tada@x.example\nBen Okafor\tben@x.example\n",
        'Email\nAda Lund <ada@x.example>\n"Okafor, Ben <ben@x.example>"\n',
        "Ticket,Attendee Email,Name\n1,ada@x.example,Ada Lund\n2,ben@x.example,Ben Okafor\n",
        # What stands above the headings, and marks
        "Email list of the choir,\nE-Mail,Name\nada@x.example,Ada Lund\nben@x.example,Ben Okafor\n",
        "sep=;\r\nname;email\r\nAda Lund;ada@x.example\r\nBen Okafor;ben@x.example\r\n",
        "sep=\t\nname\temail\nAda Lund\tada@x.example\nBen Okafor\tben@x.example\n",
        "\n\n ,\nname,email\nAda Lund,ada@x.example\nBen Okafor,ben@x.example\n",
        "Members of Lindenhof\n\nAsk office@x.example\nname;email\n"
        "Ada Lund;ada@x.example\nBen Okafor;ben@x.example\n",
        "\ufeff\ufeffname,email\nAda Lund,ada@x.example\nBen Okafor,ben@x.example\n",
        "\ufeffï»¿name,email\nAda Lund,ada@x.example\nBen Okafor,ben@x.example\n",
        "name,email\rAda Lund,ada@x.example\rBen Okafor,ben@x.example\r",
        'name, "email"\nAda Lund, "ada@x.example"\nBen Okafor, "\u200bben@x.example\ufeff"\n',
        "name,email\nAda Lund,mailto:ada@x.example\nBen Okafor,<ben@x.example>\n",
    ],
)
def test_files_of_the_usual_programs_are_understood(text: str) -> None:
    listed = csv_import.parse(text.encode())

    assert people(listed) == ADA_AND_BEN
    assert not listed.repeated


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
def test_the_usual_encodings_are_read(encoding: str) -> None:
    text = "email;Vorname\r\nada@x.example;Zoë\r\nben@x.example;Jörg\r\n"
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""

    for content in {text.encode(encoding), mark + text.encode(encoding)}:
        listed = csv_import.parse(content)

        assert people(listed) == ["ada@x.example Zoë", "ben@x.example Jörg"]
        assert listed.encoding == ("Windows-1252" if encoding == "cp1252" else "")


def test_columns_that_are_not_read_are_named() -> None:
    listed = csv_import.parse(
        b"id,Email,Secondary Email,link,Role,\n1,ada@x.example,b@x.example,https://x,AN,\n"
    )

    assert listed.ignored == ("id", "Secondary Email", "link")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada@x.example\nben@x.example\n", ["ada@x.example", "ben@x.example"]),
        ("Ada,ada@x.example\nBen,ben@x.example\n", ["ada@x.example", "ben@x.example"]),
        ("ada@x.example,ben@x.example\n", ["ada@x.example", "ben@x.example"]),
        ("Ada Lund <ada@x.example>\nBen Okafor <ben@x.example>\n", ADA_AND_BEN),
    ],
)
def test_a_file_without_headings_is_read_for_its_addresses(text: str, found: list[str]) -> None:
    listed = csv_import.parse(text.encode())

    assert people(listed) == found
    assert not listed.headed


def test_a_row_without_an_address_is_wrong_and_shows_what_it_holds() -> None:
    listed = csv_import.parse(b"email,first_name\n,Ada\nben@x.example,Ben\n")
    headless = csv_import.parse(b"ada@x.example\nben\n")

    assert [(entry.typed, entry.line) for entry in listed.wrong] == [("Ada", 2)]
    assert [(entry.typed, entry.line) for entry in headless.wrong] == [("ben", 2)]


def test_a_row_with_more_cells_than_columns_is_wrong() -> None:
    listed = csv_import.parse(
        b"email,first_name\nada@x.example,Ada,ben@x.example,Ben\ncleo@x.example,Cleo,,\n"
    )

    (wrong,) = listed.wrong
    assert wrong.line == 2
    assert "4 cells" in wrong.why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("email\na@example.org,x", "This row has 2 cells, but there is 1 column."),
        ("email,name\na@example.org,x,y", "This row has 3 cells, but there are 2 columns."),
    ],
)
def test_columns_are_counted_in_words(content: str, why: str) -> None:
    (wrong,) = csv_import.parse(content.encode()).entries

    assert wrong.why == why


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('email,first_name\na@x.example,"A\nb@x.example,B\n', 2),
        ('email,first_name\na@x.example,A\nb@x.example,"B\nc@x.example,C\nd@x.example,"D\n', 3),
        ('email,first_name\na@x.example,"A\nb@x.example,B"\nc@x.example,C\n', 2),
        ('email\na@x.example\n"b@x.example\nc@x.example\n', 3),
        ('"email\na@x.example\nb@x.example\n', 1),
        ('email,"first_name\na@x.example,A\n', 1),
        ('Our "friends",\n"Their list,\nemail,first_name\na@x.example,A\n', 2),
        ('email,note,role\na@x.example,"x,AN\nb@x.example,y,MA\nc@x.example,"z",MA\n', 2),
        ('email,note,role\na@x.example,"1\n2",AN\nb@x.example,"x,AN\nc@x.example,y,AN\n', 4),
        ('email,role\na@x.example,"AN', 2),
        ('email,role\na@x.example,".', 2),
        ('email,note,role\na@x.example,"1\n2","AN', 3),
        ('email,first_name\na@x.example,A\nb@x.example, "B\nc@x.example,C\n', 3),
        ('email,first_name\r\na@x.example,"A\r\nb@x.example,B\r\n', 2),
        ('a@x.example,A\nb@x.example,"B\nc@x.example,C\n', 2),
        ('email,name,note\na@x.example,A,"x\nb@x.example,B\nc@x.example,C"\nd@x.example,D,\n', 2),
        ('name,email,note,x\nA,a@x.example,,\nA,a@x.example,"x\nB,<b@x.example>\n",y\n', 3),
        ('email,name,note\n<a@x.example>,A,"x\nBen Okafor <b@x.example>,B"\n', 2),
        ('note;email;name\n"x\ny;b@x.example";c@x.example;C\n', 2),
        ('email,note\na@x.example,"x\nb@x.example"\nc@x.example,\n', 2),
        ('email,note,name\na@x.example,"x\nb@x.example",B\n', 2),
        ('email,note\na@x.example,"x\nb@x.example;y\nc@x.example z"\n', 2),
        ("email,first_name\n" + 'b@x.example,"B\n' + "c@x.example,Cleo\n" * 20_000, 2),
    ],
)
def test_a_stray_quotation_mark_is_refused_with_the_line_where_it_opens(text: str, line: int) -> None:
    with pytest.raises(Invalid, match=f"Line {line}: a quotation mark"):
        csv_import.parse(text.encode())


@pytest.mark.parametrize(
    "row", ['ada@x.example,"Ada\nLund",AN,x', '"ada\n",Ada,AN,x', 'ada@x.example,Ada,"A\nN",x']
)
def test_a_line_break_in_a_cell_that_is_read_is_wrong_on_its_line(row: str) -> None:
    listed = csv_import.parse(
        f"email,name,role,note\nben@x.example,Ben,AN,y\n{row}\ncleo@x.example,Cleo,AN,z\n".encode()
    )

    (wrong,) = listed.wrong
    assert wrong.line == 3
    assert "quotation mark" in wrong.why
    assert [entry.line for entry in listed.good] == [2, 5]


def test_a_line_break_in_another_cell_is_fine() -> None:
    content = (
        b'email,note,role\nada@x.example,"likes cats,\nand dogs",AN\nben@x.example,,MA\n'
        b'cleo@x.example,"ask b@x.example,\nor c@x.example",\n'
    )

    assert [entry.line for entry in csv_import.parse(content).good] == [2, 4, 5]


def test_a_quotation_mark_inside_a_cell_is_itself() -> None:
    content = b'email,name\nada@x.example,Ada "Countess" Lund\nben@x.example,"Ben ""Benny"" Okafor"\n'

    assert people(csv_import.parse(content)) == [
        'ada@x.example Ada "Countess" Lund',
        'ben@x.example Ben "Benny" Okafor',
    ]


def test_a_repeated_row_is_said_with_both_lines_and_its_role() -> None:
    listed = csv_import.parse(b"email,role\nada@x.example,AN\nben@x.example,\nADA@x.example,MA\n")

    (repeat,) = listed.repeats
    assert (repeat.line, repeat.first_line, repeat.role) == (4, 2, Role.MANAGER)
    assert listed.repeated == 1


def test_the_apostrophe_before_a_formula_is_the_exports_own() -> None:
    content = b"email,first_name\n'+ada@x.example,'=Ada\n'ben@x.example',O'Neill\n"

    assert people(csv_import.parse(content)) == ["+ada@x.example =Ada", "ben@x.example O'Neill"]


def test_the_apostrophe_before_an_address_is_dropped_as_when_pasted() -> None:
    content = b"email,last_name\n'ada@x.example,'t Hooft\n\"'ben@x.example\",O'Neill\no'hara@x.example,\n"

    assert people(csv_import.parse(content)) == [
        "ada@x.example 't Hooft",
        "ben@x.example O'Neill",
        "o'hara@x.example",
    ]
    assert people(csv_import.parse(b"'ada@x.example\n")) == ["ada@x.example"]


@pytest.mark.parametrize("text", ["ada@x.example", "@ada", "17", "-", "***"])
@pytest.mark.parametrize("heading", ["First name", "Last name", "Name"])
def test_an_address_and_what_has_no_letter_is_no_name(heading: str, text: str) -> None:
    assert people(csv_import.parse(f"{heading},email\n{text},ada@x.example\n".encode())) == ["ada@x.example"]


@pytest.mark.parametrize(
    "cell",
    [
        *("a <b@x.org>" * 90, "a <b@c>" * 140, "<a" * 490, "<@" * 490, "a <" * 2_000),
        *("(a" * 480 + "<", "a;" * 480 + "<", '"' + "a," * 480 + '<"', '"' + "jr," * 320 + '<"', "@" * 980),
    ],
)
def test_ten_megabytes_of_long_cells_are_read_within_seconds(cell: str) -> None:
    row = f"{cell},A\n"
    content = ("email,name\n" + row * min(9_999, 10_000_000 // len(row))).encode()
    begun = time.process_time()

    listed = csv_import.parse(content)

    assert time.process_time() - begun < QUICK_SECONDS
    assert not listed.good


@pytest.mark.parametrize(
    "content",
    [
        ("@" * 980 + ",") * 9_900,
        ("@@@@@@@@@@," * 990 + "\n") * 10,
        "email\n" + "\n" * 9_000_000,
        "email," * 1_500_000 + "\nada@x.example\n",
        "email" + "," * 5_000_000 + "\nada@x.example" + "," * 4_000_000,
        "ada@x.example," * 700_000,
        *("email\nada@x.example" + filling * 5_000_000 for filling in (",", ",\n", "\n\r", ";")),
    ],
)
def test_long_rows_and_many_of_them_are_read_within_seconds(content: str) -> None:
    begun = time.process_time()

    with contextlib.suppress(Invalid):
        csv_import.parse(content.encode()[:10_000_000])

    assert time.process_time() - begun < QUICK_SECONDS


def test_a_row_of_more_than_a_thousand_cells_is_refused_with_its_line() -> None:
    row = "ada@x.example" + "," * 999

    assert people(csv_import.parse(f"email\n\n{row}\n".encode())) == ["ada@x.example"]
    with pytest.raises(Invalid) as refused:
        csv_import.parse(f"email\n\n{row},\n".encode())

    assert refused.value.errors["file"] == [
        "Line 3 has more than 1,000 cells. Delete the columns that you don't need."
    ]


def test_a_name_of_many_words_stands_before_its_address() -> None:
    name = (
        "Pablo Diego José Francisco de Paula Juan Nepomuceno Cipriano de la Santísima Trinidad Ruiz y Picasso"
    )

    assert people(csv_import.parse(f"email\n{name} <p@x.example>\n".encode())) == [f"p@x.example {name}"]


def test_notes_of_a_million_lines_are_read_within_seconds() -> None:
    note = "a@b,x\n" * 15_000
    begun = time.process_time()

    listed = csv_import.parse(("email,name,x,note\n" + f'a@x.example,A,,"{note}"\n' * 60).encode())

    assert time.process_time() - begun < QUICK_SECONDS
    assert len(listed.good) == 1


def test_an_address_in_a_long_cell_is_wrong() -> None:
    (wrong,) = csv_import.parse(f"email\n{'Ada ' * 250}<ada@x.example>\n".encode()).entries

    assert "at most 254" in wrong.why


@pytest.mark.parametrize(
    "heading",
    [
        "Manager Email",
        "Email of manager",
        "Email (manager)",
        "Supervisor’s e-mail",
        "Boss email",
        "Recovery Email",
        "Secondary email",
        "Invited by email",
        "Email of inviter",
        "Parent/Guardian Email",
        "E-Mail des Vorgesetzten",
        "Wiederherstellungs-E-Mail",
        "Sekundäre E-Mail",
    ],
)
def test_a_column_of_other_peoples_addresses_is_never_read(heading: str) -> None:
    with pytest.raises(Invalid, match="No heading"):
        csv_import.parse(f"Name,{heading}\nAda,boss@x.example\n".encode())
    assert headings.places([heading, "Name", "Attendee Email"]) == {"name": 1, "email": 2}
    assert headings.places(["Name", heading, "Email (own)"]) == {"name": 0, "email": 2}
    assert headings.places(["Name", heading, "Email"]) == {"name": 0, "email": 2}


def test_a_serial_number_is_no_surname_and_a_roll_no_role() -> None:
    for heading in ("S/N", "SN", "S.N.", "sn#", "Roll", "Roll No."):
        assert headings.places([heading, "Name", "Email"]) == {"name": 1, "email": 2}

    assert headings.places([" sn ", "mail"]) == {"last_name": 0, "email": 1}


def test_names_lose_what_nobody_sees() -> None:
    content = "email,first_name,last_name\nada@x.example,\u202eA\u200bda,\u3164\n".encode()

    assert people(csv_import.parse(content)) == ["ada@x.example Ada"]


@pytest.mark.parametrize(
    "heading",
    [
        "E-MAIL",
        "e mail",
        "Email Address*",
        "Email:",
        "1. Email",
        "Ｅｍａｉｌ",
        "[email]",
        "mail (work)",
        "E‑Mail",
    ],
)
def test_headings_are_compared_by_letters_only(heading: str) -> None:
    assert headings.places(["Prenom", "x", heading]) == {"first_name": 0, "email": 2}


def test_each_heading_that_is_known_is_known_for_one_thing() -> None:
    known = [headings.letters(heading) for several in headings.KNOWN.values() for heading in several]

    assert len(set(known)) == len(known)


def test_a_private_sign_at_the_end_of_a_row_ends_nothing() -> None:
    content = "email,first_name\nada@x.example,\ue000\nben@x.example,.\n.\ncleo@x.example,\n".encode()

    listed = csv_import.parse(content)

    assert [entry.line for entry in listed.entries] == [2, 3, 4, 5]
    assert [entry.typed for entry in listed.wrong] == ["."]


def test_the_documentation_lists_every_heading_that_is_understood() -> None:
    lines = (ROOT / "docs" / "lists.md").read_text(encoding="utf-8").splitlines()

    table = [line.split(" | ")[1].removesuffix(" |") for line in lines if line.startswith("| ")]

    assert table[1:] == [", ".join(several) for several in headings.KNOWN.values()]
