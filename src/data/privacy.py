"""What is done about personal data in messages before anything is learnt from them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from understudy.data.chats.message import Message
from understudy.data.personal_data import Finding, check_region, find_personal_data, without_overlaps
from understudy.data.third_parties import ThirdParties
from understudy.errors import UserError

Action = Literal["keep", "replace", "drop"]

NO_CONSENT = (
    "The other people in these chats have not consented to anything. A model can repeat what it was told: "
    "ask them, or see to it that what they wrote stays with you."
)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """For each kind: keep it, put a placeholder in its place, or drop the messages that hold it."""

    names: Action = "replace"
    links: Action = "replace"
    emails: Action = "replace"
    accounts: Action = "replace"
    cards: Action = "replace"
    ids: Action = "replace"
    phones: Action = "replace"
    births: Action = "replace"
    addresses: Action = "replace"

    def __post_init__(self) -> None:
        for kind, action in vars(self).items():
            if action not in get_args(Action):
                raise UserError(
                    f"chats.privacy.{kind}={action}: there is no such policy; choose one of "
                    f"{', '.join(get_args(Action))}"
                )


class Privacy:
    """Finds personal data in messages, counts it, and does what the policy says."""

    def __init__(self, policy: Policy, people: ThirdParties, region: str | None = None) -> None:
        check_region(region, setting="chats.region")
        self.policy, self.people, self.region = policy, people, region
        self.found = Counter({field.name: 0 for field in fields(policy)})

    def find(self, message: Message) -> list[Finding]:
        """What personal data is in a message's text."""
        findings = without_overlaps(self._find(message.text))
        self.found.update(finding.kind for finding in findings)
        return findings

    def _find(self, text: str) -> Iterator[Finding]:
        yield from find_personal_data(text, self.region)
        yield from self.people.find(text)

    def apply(self, message: Message, findings: list[Finding], *, subject: bool) -> Message | None:
        """The message as the policy has it, None if it is dropped. The subject keeps their name."""
        actions = {finding: getattr(self.policy, finding.kind) for finding in findings}
        if "drop" in actions.values():
            return None
        text = message.text
        for finding in reversed(findings):
            if actions[finding] == "replace":
                text = text[: finding.start] + finding.means + text[finding.end :]
        sender = message.sender
        if sender is not None and not subject and self.policy.names != "keep":
            sender = self.people.label(sender)
        return replace(message, sender=sender, text=text)


def placed(message: Message, finding: Finding) -> dict[str, Any]:
    """A finding for the report: where it is, and not what."""
    return {"source": message.source, "line": message.line} | asdict(finding)
