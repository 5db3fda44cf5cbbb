"""The people of the labelled set: plain first names at personal providers, offices at firms, staff and partners."""

from __future__ import annotations

import re

from tests import build

_FIRST_NAMES = """
amelia ben carys dylan elin farah gareth hana idris jonas klara lucia megan nadia owen priya quentin rhian
sofia tomos ursula victor wendy xavier yuki zara aled bethan ceri daniel emrys fiona greta hugo ines jakub
kenji lowri marta noor otto petra rosa sara theo usman vera wiktor yasmin zoe
"""
_DESKS = ("office", "bookings", "accounts", "sales", "info", "orders", "support", "enquiries")
_FIRM_NAMES = """
harbour-hotel oakfield-garage millbrook-print castle-catering riverside-timber northgate-coaches heath-roofing
quarry-stone abbey-florists station-taxis valley-dairy westgate-dental bridge-joinery meadow-nursery
hilltop-solar canal-boats orchard-foods foundry-steel parkside-vets lakeside-camping tower-lifts
kestrel-security juniper-legal beacon-media saltmarsh-ecology copper-plumbing linden-architects
viaduct-haulage primrose-care sandstone-surveys heron-water maple-furniture granite-kerbs thistle-textiles
cobalt-paints ferry-lines windmill-bakery plover-insurance sycamore-accounts lantern-events
"""
_NAMES, _FIRMS = _FIRST_NAMES.split(), _FIRM_NAMES.split()
_SPEC = re.compile(r"(families|offices|staff|partners) (?:(\d+)-)?(\d+)(?: in (\d+))?")


def families(count: int, start: int = 1) -> list[str]:
    """Families number `start` to `count`, at ten personal providers; five hundred there are."""
    return [f"{_NAMES[n % 50]}@mail{(n + n // 50) % 10}.example" for n in range(start - 1, count)]


def offices(count: int, start: int = 1, domains: int = 40) -> list[str]:
    """Desks number `start` to `count` of firms, in up to forty domains."""
    chosen = range(start - 1, count)
    if domains == len(_FIRMS):
        return [f"{_DESKS[(n + n // 40) % 8]}@{_FIRMS[n % 40]}.example" for n in chosen]
    return [f"desk{n + 1}@{_FIRMS[n % domains]}.example" for n in chosen]


def staff(count: int, start: int = 1) -> list[str]:
    """People of the council itself."""
    return [f"{_NAMES[n % 50]}{n // 50 or ''}@{build.OWN}" for n in range(start - 1, count)]


def partners(count: int, start: int = 1) -> list[str]:
    """People of the partner."""
    return [f"{_NAMES[n % 50]}{n // 50 or ''}@{build.PARTNER}" for n in range(start - 1, count)]


def people(wanted: str) -> list[str]:
    """Return the addresses that a label means: `families 40`, `families 11-20`, `offices 30 in 2`, or one address."""
    match = _SPEC.fullmatch(wanted)
    if match is None:
        return [wanted]
    kind, start, count, domains = match.groups()
    first = int(start or 1)
    if kind == "offices":
        return offices(int(count), first, int(domains or 40))
    return {"families": families, "staff": staff, "partners": partners}[kind](int(count), first)
