"""Passwords made of what is known, and others: one list, for the server and for app.js."""

from typing import Final

JOERG: Final = ("joerg@lindenhof.example", "Jörg", "Müller", "Lindenhof Translation Bureau")
INSTALLATION: Final = ("Label Studio", "members.amselweg.example", "Gatehouse")
# What is left is too short: the page says so while it is typed.
MADE_OF_KNOWN: Final = (
    "joerg@lindenhof",
    "joerg@lindenhof.example",
    "Müller-Lindenhof",
    "Mueller-Lindenhof",
    "muller lindenhof",
    "MÜLLERMÜLLER",
    "Mu\u0308ller-Lindenhof",
    "Lindenhof2026!",
    "2026-Lindenhof-07",
    "!!!Lindenhof!!!",
    "Lindenhof-Sommer-2026",
    "LindenhofSeptember",
    "März2026Lindenhof",
    "Translation Bureau",
    "TranslationBureau1",
    "Translations-Bureaus",
    "label studio label",
    "LabelStudio2026",
    "Gatehouse2026!",
    "gatehousegatehouse",
    "amselweg-members",
    "fohnedniLfohnedniL",
    "relleüM-fohnednil",
    "relleuM-fohnednil",
    "L1ndenh0f-2026",
    "l!nd3nh0f l!nd3nh0f",
    "1@8e1-$7ud10",
    "L.i.n.d.e.n.h.o.f.",
    "l1i2n3d4e5n6h7o8f9",
    "LLiinnddeennhhooff",
    "Ｌｉｎｄｅｎｈｏｆ２０２６！",
    "Lin\u200bden\u200bhof2026!",
    "JörgMüller1985",
    "ltb-LTB-ltb-LTB",
    "jm-lindenhof-jm",
    "lindenhof kxqz",
    "Lindenhof Hamburg",
    "Lindenhofstraße 7",
    "1483114831!!",
)
# Enough is left, or none of the known words is in it.
OTHERS: Final = (
    "correct label staple horse wagon",
    "four purple lanterns by the sea",
    "Lindenhof purple otter wagon",
    "the bureau of lost umbrellas",
    "vK9#wq2Lx-lindenhof-Zt7",
    "пурпурный фонарь у моря",
    "紫色のランタンが海辺に四つ",
    "🏮🌊🟣4️⃣🏮🌊🟣4️⃣x!y",
    "tri€dlor mub",
    "jm jm quiet harbour swans",
)
# Drawn by a generator from digits and signs: a year among them is no trimming,
# and three that could be read as initials, like 178 for ltb, are no known word.
DRAWN: Final = (
    "8395 2041 7736 1284 5567 9021",
    "5821-1973-6640-2918-7753",
    "#8!2044?&9(3)*7%1+5=",
    "730519948261",
    "+38 1987 604 52",
    "9178 7032 5117 8363 2595",
)
