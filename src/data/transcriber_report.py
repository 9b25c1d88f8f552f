"""Whether a new transcriber hears better than the one before, judged by the clips a person corrected."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from understudy.data.edits import EDITS, corrected
from understudy.data.hub import model_name
from understudy.data.manifest import Clip, read_manifest
from understudy.data.text import character_error_rate, tokens, word_error_rate
from understudy.data.training_notes import learnt_from
from understudy.tables import print_table, write_json


@dataclass(frozen=True)
class Rates:
    """Error rates of two transcribers over the same clips."""

    which: str
    clips: int
    words: int
    wer_before: float
    wer_now: float
    cer_before: float
    cer_now: float


def transcribed(workspace: Path) -> list[Clip]:
    """The clips as they were transcribed last; none where they never were."""
    path = workspace / "manifests" / "transcribe.jsonl"
    return read_manifest(path) if path.exists() else []


def tell_transcribers(earlier: Sequence[Clip], workspace: Path) -> None:
    """Print how `earlier` and what stands there now compare; the same in `manifests/transcribers.json`.

    Only corrected clips count that another transcriber than before has heard, and whose ends are
    the same; where there are none, nothing is said.
    """
    before = {(clip.id, clip.start, clip.end): clip for clip in earlier}
    pairs = [
        (before[clip.id, clip.start, clip.end], clip)
        for clip in corrected(transcribed(workspace), workspace / EDITS)
        if clip.fields.get("text") is not None and (clip.id, clip.start, clip.end) in before
    ]
    pairs = [(old, new) for old, new in pairs if _name(old) != _name(new)]
    both = [(old, new) for old, new in pairs if "heard" in old.fields and "heard" in new.fields]
    if len(both) < len(pairs):
        print(f"transcribers   {len(pairs) - len(both)} corrected clips are not compared: "
              "the manifest before does not say what was heard in them")  # fmt: skip
    twin = workspace / "twin" / "asr"
    by_twin = twin.exists() and all(model_name(str(twin)) in _name(new) for _, new in both)
    parts = _parts(both, learnt_from(twin) if by_twin else set())
    if not (rates := [_rates(which, some) for which, some in parts.items() if _words(some)]):
        return
    names = [", ".join(sorted({_name(clip) for clip in side})) for side in zip(*both, strict=True)]
    print(f"transcribers   {names[0]}\n            -> {names[1]}")
    header = ["corrected clips", "clips", "words", "WER before", "WER now", "CER before", "CER now"]
    print_table(header, [astuple(row) for row in rates])
    told = {"before": names[0], "now": names[1], "rates": [asdict(row) for row in rates]}
    write_json(workspace / "manifests" / "transcribers.json", told)


Pairs = Sequence[tuple[Clip, Clip]]


def _parts(pairs: Pairs, learnt: Set[str]) -> dict[str, Pairs]:
    """What the twin's own model was trained on and what it never saw; all together where there is none."""
    if not learnt:
        return {"all": pairs}
    return {
        "trained on": [(old, new) for old, new in pairs if new.id in learnt],
        "never seen": [(old, new) for old, new in pairs if new.id not in learnt],
    }


def _rates(which: str, pairs: Pairs) -> Rates:
    said, language = [new["text"] for _, new in pairs], _language(pairs)
    sides = [[old["heard"] for old, _ in pairs], [new["heard"] for _, new in pairs]]
    wer = [word_error_rate(said, heard, language) for heard in sides]
    cer = [character_error_rate(said, heard, language) for heard in sides]
    return Rates(which, len(pairs), _words(pairs), *wer, *cer)


def _words(pairs: Pairs) -> int:
    return sum(len(tokens(new["text"], _language(pairs))) for _, new in pairs)


def _language(pairs: Pairs) -> str:
    """That of most clips: one rate is of one language."""
    return Counter(new.fields.get("language") or "en" for _, new in pairs).most_common(1)[0][0]


def _name(clip: Clip) -> str:
    return str(clip.fields.get("transcriber"))
