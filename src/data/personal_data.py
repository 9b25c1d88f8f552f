"""Where a text gives away personal data other than names.

Telephone numbers are found by libphonenumber, numbers with check digits by python-stdnum. Addresses and dates
of birth are found by how they are commonly written in a few languages: a heuristic that misses some.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

import phonenumbers
from stdnum import iban, luhn

from understudy.errors import UserError

Kind = Literal["names", "links", "emails", "accounts", "cards", "ids", "phones", "births", "addresses"]


@dataclass(frozen=True)
class Finding:
    """Characters `start` to `end` of a text; `means` is what stands there once it is replaced."""

    kind: Kind
    start: int
    end: int
    means: str


def check_region(region: str | None, *, setting: str) -> None:
    """Raises `UserError` for what is no country whose telephone numbers are known."""
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise UserError(f"{setting}={region}: there is no such country; give two letters as in US, DE, IN")


LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+[^\s<>\".,;:!?)\]'’]"
    r"|(?<![\w@.])(?:[\w-]+\.)+(?:com|org|net|info|app|co|io|me|gg|be|ly|eu|de|fr|es|it|nl|pl|pt|br|ru|in|uk|ch|at)"
    r"/[^\s<>\"]*[^\s<>\".,;:!?)\]'’]",
    re.IGNORECASE,
)
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
ACCOUNT = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)", re.IGNORECASE)
CARD = re.compile(r"(?<![\w+])\d(?:[ -]?\d){12,18}(?!\w)")
LOCAL_PHONE = re.compile(r"(?<![\w.,:/+-])\(?00?[1-9](?:[ ()/.-]{0,2}\d){6,11}(?![\w:])")

# by the country's module of python-stdnum; only numbers with a check digit, or of a shape of their own
ID_NUMBERS = {
    "es.dni": r"\d{8}-?[A-Za-z]",
    "es.nie": r"[XYZxyz]-?\d{7}-?[A-Za-z]",
    "it.codicefiscale": r"[A-Za-z]{6}\d\d[A-Za-z]\d\d[A-Za-z]\d{3}[A-Za-z]",
    "fr.nir": r"[12] ?\d\d ?\d\d ?\d[\dABab] ?\d{3} ?\d{3} ?\d\d",
    "de.idnr": r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
    "pl.pesel": r"\d{11}",
    "tr.tckimlik": r"\d{11}",
    "br.cpf": r"\d{3}\.?\d{3}\.?\d{3}-?\d\d",
    "mx.curp": r"[A-Za-z]{4}\d{6}[A-Za-z]{6}[A-Za-z0-9]\d",
    "us.ssn": r"\d{3}-\d\d-\d{4}",
    "gb.nhs": r"\d{3} \d{3} \d{4}",
    "ch.ssn": r"756\.?\d{4}\.?\d{4}\.?\d\d",
    "se.personnummer": r"(?:\d\d)?\d{6}[-+]\d{4}",
    "fi.hetu": r"\d{6}[-+A]\d{3}[A-Za-z0-9]",
    "cn.ric": r"\d{17}[\dXx]",
    "kr.rrn": r"\d{6}-\d{7}",
    "in_.aadhaar": r"\d{4} ?\d{4} ?\d{4}",
}

_NUMBER = r"\d{1,4} ?[a-zA-Z]?(?!\w)"
_NAME = r"[^\W\d_][\w'’.-]*"
_NO_NAME = r"(?:a|and|at|by|down|for|from|hours?|in|minutes?|my|of|on|our|people|per|the|this|to|up|your)\b"
ADDRESS = re.compile(
    # 12 Baker Street
    rf"(?<!\w)\d{{1,5}}[a-z]?,? (?:(?!{_NO_NAME}){_NAME} ){{1,3}}?"
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|close|court|ct|square|sq|boulevard|"
    r"blvd|way|terrace|crescent)\b\.?"
    # Hauptstraße 5, Lange Str. 12a, Kerkstraat 3
    rf"|(?<!\w)[^\W\d_][\w-]*?(?:stra(?:ß|ss)e|str\.|gasse|weg|allee|platz|straat|laan|gatan|vägen|vej|gade)"
    rf"\.? {_NUMBER}"
    rf"|(?<!\w){_NAME} (?:straße|strasse|str\.|gasse|allee|platz) {_NUMBER}"
    # 12 rue de la Paix
    r"|(?<!\w)\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|chemin|impasse|allée|place) "
    rf"(?:d\w{{0,2}}[ '’])?(?:la )?{_NAME}"
    # Calle Mayor 5, Via Roma 12, Rua Augusta 100, ul. Długa 5, улица Ленина, 5
    r"|(?<!\w)(?:calle|c/|avenida|avda\.?|plaza|via|viale|corso|piazza|rua|ul\.|ulica|улица|ул\.|проспект|пр\.)"
    rf" ?(?:{_NAME} ){{0,3}}{_NAME},? (?:n[º°.]? ?|д\. ?)?{_NUMBER}",
    re.IGNORECASE,
)
_DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{2,4}"  # 12.3.1990, 1990-03-12
    r"|\d{1,2}\.? (?:de )?[^\W\d_]{3,10}\.?,? (?:de )?\d{4}"  # 12 March 1990, 12 de marzo de 1990
    r"|[^\W\d_]{3,9} \d{1,2},? \d{4})"  # March 12, 1990
)
BIRTH = re.compile(
    r"(?:\bborn\b|birth(?:day|date)?\b|\bdob\b|\bgeb(?:oren|urtstag|urtsdatum|\.)|\bnée?\b|naissance"
    r"|nacid[oa]\b|nacimiento|\bnat[oa]\b|nascit[ao]|nascid[oa]|nascimento|urodz\w*|родил\w*|рождения)"
    rf"\D{{0,20}}(?P<date>{_DATE})",
    re.IGNORECASE,
)


def find_personal_data(text: str, region: str | None = None) -> Iterator[Finding]:
    """Findings in the order of how sure they are; they may overlap.

    `region` is the country ("DE") whose numbers are written without their code.
    """
    if "." in text:
        yield from _matches("links", LINK, text, "[link]")
        if "@" in text:
            yield from _matches("emails", EMAIL, text, "[e-mail]")
    digits = sum(c.isdigit() for c in text)
    if digits >= 5:
        yield from _numbers(text, region)
        yield from (Finding("births", *m.span("date"), "[date of birth]") for m in BIRTH.finditer(text))
    if digits:
        yield from _matches("addresses", ADDRESS, text, "[address]")


def _numbers(text: str, region: str | None) -> Iterator[Finding]:
    for match in ACCOUNT.finditer(text):
        # what follows may be a word: "GB33BUKB20201555555555 please"
        groups = match[0].split(" ")
        for n in range(len(groups), 0, -1):
            number = " ".join(groups[:n])
            if iban.is_valid(number):
                yield Finding("accounts", match.start(), match.start() + len(number), "[account number]")
                break
    for match in CARD.finditer(text):
        number = re.sub(r"\D", "", match[0])
        if luhn.is_valid(number) and len(set(number)) > 1:
            yield Finding("cards", *match.span(), "[card number]")
    for shape, module in _id_numbers():
        for match in shape.finditer(text):
            if module.is_valid(match[0]):
                yield Finding("ids", *match.span(), "[ID number]")
    yield from (Finding("phones", *span, "[phone]") for span in _phones(text, region))


def _phones(text: str, region: str | None) -> Iterator[tuple[int, int]]:
    # with the country's code a number that could be one is taken for one; without, it has to be in use
    possible = phonenumbers.Leniency.POSSIBLE
    for match in phonenumbers.PhoneNumberMatcher(text, None, leniency=possible):
        yield match.start, match.end
    for match in phonenumbers.PhoneNumberMatcher(text, region) if region else ():
        yield match.start, match.end
    if not region:
        yield from (match.span() for match in LOCAL_PHONE.finditer(text))


@cache
def _id_numbers() -> list[tuple[re.Pattern[str], Any]]:
    return [
        (re.compile(rf"(?<![\w+]){shape}(?!\w)"), import_module(f"stdnum.{name}"))
        for name, shape in ID_NUMBERS.items()
    ]


def _matches(kind: Kind, pattern: re.Pattern[str], text: str, means: str) -> Iterator[Finding]:
    return (Finding(kind, *match.span(), means) for match in pattern.finditer(text))


def without_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of the text; of those that overlap, the one that came first."""
    kept: list[Finding] = []
    for finding in findings:
        if all(finding.end <= other.start or finding.start >= other.end for other in kept):
            kept.append(finding)
    return sorted(kept, key=lambda finding: finding.start)
