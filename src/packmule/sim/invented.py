"""Sentences made up around the topics of a prompt, for requests that ask to write something. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence

GIVEN = (
    "Amara Bao Chiara Dmitri Elif Farid Greta Hiro Ines Jonas Kavya Liam Mei Nadia Omar Paula Quinn Rosa Samir Tova Uma"
    " Viktor Wanda Ximena Yusuf Zofia Anders Bea Carlos Dalia Emre Fatou Gustavo Hana Ivo Jamila Kofi Leila Marek Noor"
).split()
FAMILY = (
    "Abadi Berg Castillo Dubois Eriksen Ferrari Gupta Haddad Ivanova Jansen Kimura Lindqvist Mbeki Novak Okafor Petrov"
    " Quispe Rossi Schmidt Tanaka Ueda Vargas Weiss Xu Yilmaz Zhang Adeyemi Banerjee Costa Diallo Fischer Garcia Horvat"
).split()
PLACES = (
    "Accra,Bergen,Busan,Cusco,Dakar,Porto,Galway,Hanoi,Izmir,Jaipur,Krakow,Leipzig,Lima,Lyon,Malmo,Nairobi,Oaxaca,"
    "Osaka,Perth,Quito,Rabat,Riga,Tbilisi,Tampere,Utrecht,Valparaiso"
).split(",")
COUNTRIES = (
    "Ghana,Norway,Korea,Peru,Senegal,Portugal,Ireland,Vietnam,India,Poland,Germany,France,Kenya,Mexico,Japan,Ecuador"
).split(",")
WORK = (
    "nurse,carpenter,bus driver,software developer,teacher,baker,geologist,translator,farmer,electrician,librarian,"
    "accountant,chef,paramedic,shop owner,sound engineer,biologist,tailor,postal worker,architect"
).split(",")
MOODS = (
    "plain,stubborn,surprising,fragile,patient,common,bright,tense,generous,precise,restless,quiet,costly,frank,"
    "practical,slow,careful,bold"
).split(",")
TIMES = (
    "in the second week,late on a Tuesday,before the rain came,after two failed attempts,on the first warm day,"
    "once the others had left,between two deadlines,years later,at the end of the shift,that same evening"
).split(",")

_FRAMES = (
    "{Time}, {name} from {place} looked at {topic} again and found it {mood}.",
    "What stands out is {topic}: {mood}, and harder to replace than {other}.",
    "{Topic} was {mood} at first, and became {mood2} {time}.",
    "Nobody in {place} expected {topic} to be this {mood}.",
    "{name} keeps {topic} and {other} apart, and says so {time}.",
    "If {topic} is {mood}, then {other} has to be {mood2}.",
    "It was {time} that {topic} turned out to be {mood}.",
    "The {work} from {place} would call {topic} {mood}, not {mood2}.",
    "For {name}, {topic} matters more than {other}, {time} at least.",
    "There is a {mood} side to {topic} that {other} never shows.",
    "{Time}, {topic} stopped being {mood}, and {name} wrote it down.",
    "The {work} asked about {topic}; the answer was {mood} and short.",
)


def full_name(chance: random.Random) -> str:
    """A given and a family name."""
    return f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}"


def sentence(topics: Sequence[str], chance: random.Random) -> str:
    """One sentence about one or two of the topics."""
    first = topics[int(len(topics) * chance.random() ** 2)]
    mood, mood2 = chance.sample(MOODS, 2)
    time = chance.choice(TIMES)
    text = chance.choice(_FRAMES).format(
        topic=first,
        Topic=first[:1].upper() + first[1:],
        other=chance.choice([topic for topic in topics if topic != first] or ["the rest"]),
        name=chance.choice(GIVEN),
        place=chance.choice(PLACES),
        work=chance.choice(WORK),
        mood=mood,
        mood2=mood2,
        time=time,
        Time=time[:1].upper() + time[1:],
    )
    return text[:1].upper() + text[1:]


def paragraph(topics: Sequence[str], chance: random.Random, count: int) -> str:
    """Some sentences."""
    return " ".join(sentence(topics, chance) for _ in range(count))
