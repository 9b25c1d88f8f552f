"""Personal data in messages: what is found, what is not, and what the policy makes of it."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from understudy.data.chats.message import Message
from understudy.data.personal_data import find_personal_data, without_overlaps
from understudy.data.privacy import Policy, Privacy
from understudy.data.senders import SubjectNames
from understudy.data.third_parties import ThirdParties
from understudy.errors import UserError

PIP = SubjectNames(["Pip Weber"])
SENDERS = {"Anna Weber": 5, "~ Ben": 3, "Tom Plumber": 2, "Will": 2, "小明": 1, "+44 7700 900123": 1}
PEOPLE = ThirdParties({"Pip Weber": 9, **SENDERS}, PIP)


def replaced(text: str, policy: Policy | None = None, region: str | None = None) -> str | None:
    """What is left of it in a message from Anna."""
    privacy = Privacy(policy or Policy(), PEOPLE, region)
    message = Message("c", "Anna Weber", datetime(2023, 1, 1), text, "text", "f", 1)
    done = privacy.apply(message, privacy.find(message), subject=False)
    return done and done.text


# reserved for examples and tests, or published as such
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("ring +44 7700 900123 or (+1) 202-555-0143 ok", "ring [phone] or [phone] ok"),
        ("zu hause 030 23125 000.", "zu hause [phone]."),
        ("mail a.b+c@example.com, thanks", "mail [e-mail], thanks"),
        ("pay with 4242 4242 4242 4242 now", "pay with [card number] now"),
        ("pay with 4111111111111111", "pay with [card number]"),
        ("to GB33BUKB20201555555555 please", "to [account number] please"),
        ("DE89 3704 0044 0532 0130 00 and more", "[account number] and more"),
        ("mi dni es 54362315K", "mi dni es [ID number]"),
        ("RSSMRA85T10A562S", "[ID number]"),
        ("see https://example.com/a?b=1, or example.org/x.", "see [link], or [link]."),
        ("come to 12 Mill Lane at 5", "come to [address] at 5"),
        ("Hauptstraße 5a, bitte", "[address], bitte"),
        ("12 rue de la Paix", "[address]"),
        ("via Roma 12", "[address]"),
        ("ул. Ленина, 5", "[address]"),
        ("I was born on 12.3.1990 you know", "I was born on [date of birth] you know"),
        ("geboren am 3. März 1990", "geboren am [date of birth]"),
    ],
)
def test_personal_data_is_replaced(text: str, left: str) -> None:
    assert replaced(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "at 17:30 on 12.03.2023, room 4113",
        "order 4242 4242 4242 4243 has no check digit that fits",
        "GB34BUKB20201555555555",
        "54362315A",
        "0000 0000 0000 0000",
        "e.g. this and that...ok",
        "we were 3 on the way there and 12 drove on",
        "10,000 steps; 3.14159265358979 is pi",
        "will you mark the plumber's bill",
        "bananas, benefit, Annabel",
        "1 2 3 4 5 6 7 8 9 10",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert replaced(text) == text


def test_people_have_one_placeholder_everywhere() -> None:
    assert replaced("anna and ANNA WEBER, Annas dog") == "[name 1] and [name 1], [name 1]s dog"
    assert replaced("ben met Will and a Plumber") == "[name 2] met [name 4] and a [name 3]"
    assert replaced("你好小明吗") == "你好[name 6]吗"
    assert replaced("pip weber writes to Weber") == "pip weber writes to Weber"
    assert PEOPLE.label("Anna Weber") == PEOPLE.label("anna\u00a0weber") == "[name 1]"


def test_national_numbers_need_their_country() -> None:
    assert replaced("call 555 0143 or (202) 555-0143", region="US") == "call 555 0143 or [phone]"
    with pytest.raises(UserError, match=r"chats.region=Germany: there is no such country"):
        replaced("hi", region="Germany")


def test_the_policy_says_what_becomes_of_it() -> None:
    text = "Ben: +44 7700 900123, a@example.com"
    assert replaced(text, Policy(names="keep", phones="keep")) == "Ben: +44 7700 900123, [e-mail]"
    assert replaced(text, Policy(phones="drop")) is None
    assert replaced("Ben", Policy(phones="drop")) == "[name 2]"
    with pytest.raises(UserError, match=r"chats.privacy.names=hide: .* keep, replace, drop"):
        Policy(names="hide")  # type: ignore[arg-type]


@pytest.mark.parametrize(("names", "sender"), [("replace", "[name 1]"), ("keep", "Anna Weber")])
def test_who_speaks_is_named_as_the_policy_has_it(names: str, sender: str) -> None:
    privacy = Privacy(Policy(names=names), PEOPLE)  # type: ignore[arg-type]
    hi = Message("c", "Anna Weber", datetime(2023, 1, 1), "hi Ben", "text", "f", 1)
    done = privacy.apply(hi, privacy.find(hi), subject=False)
    assert done
    assert done.sender == sender
    assert hi.text == "hi Ben"
    own = Message("c", "Pip Weber", datetime(2023, 1, 1), "hi", "text", "f", 1)
    assert privacy.apply(own, [], subject=True) == own


def test_findings_are_counted_and_do_not_overlap() -> None:
    text = "anna@example.com wrote https://example.com/anna +4915123456789"
    found = without_overlaps([*find_personal_data(text), *PEOPLE.find(text)])
    kinds: Sequence[str] = [finding.kind for finding in found]
    assert kinds == ["emails", "links", "phones"]
    assert [text[f.start : f.end] for f in found] == [
        "anna@example.com", "https://example.com/anna", "+4915123456789"
    ]  # fmt: skip
