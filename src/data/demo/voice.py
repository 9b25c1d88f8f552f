"""The voices of the demo subject: text to sound, with the time of every phone and word.

Speech is synthesised by Hibari (Apache-2.0), whose network predicts how long each phone lasts but
keeps that to itself; the graph is asked for it too. Other voices are the same speaker with the
vocal tract lengthened and the pitch moved, done on the spectra before they become sound.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from understudy.data.media import Seconds

SAMPLE_RATE = 24000
TOKEN: Seconds = 0.025  # the unit of Hibari's durations
# Sound comes this much before the predicted times: onsets of s, z, sh then agree to 10 ms (median)
LEAD: Seconds = 0.05
SILENCE = "sil"
_STRESS, _PAUSES = "ˈˌ", ";:,.!?—…"


@dataclass(frozen=True)
class Voice:
    """A speaker made from Hibari's one: factors on its pitch, its formants and its pace."""

    pitch: float = 1.0
    formants: float = 1.0
    pace: float = 1.0


VOICES = {"one": Voice(), "two": Voice(pitch=0.60, formants=0.85, pace=0.97)}


@dataclass(frozen=True)
class Phone:
    """`symbol` is IPA in Hibari's alphabet (A I O W Y are diphthongs) or `sil`."""

    symbol: str
    start: Seconds
    end: Seconds
    stressed: bool = False


@dataclass(frozen=True)
class Word:
    text: str
    start: Seconds
    end: Seconds


@dataclass(frozen=True)
class Utterance:
    """Sound (samples,) at 24 kHz with phones and words; `phones` cover it without gaps."""

    samples: np.ndarray
    phones: tuple[Phone, ...]
    words: tuple[Word, ...]

    @property
    def duration(self) -> Seconds:
        return len(self.samples) / SAMPLE_RATE


def silence(duration: Seconds) -> Utterance:
    samples = np.zeros(round(duration * SAMPLE_RATE), np.float32)
    return Utterance(samples, (Phone(SILENCE, 0.0, len(samples) / SAMPLE_RATE),), ())


def join(parts: list[Utterance]) -> Utterance:
    """One utterance after the other."""
    phones: list[Phone] = []
    words: list[Word] = []
    at = 0.0
    for part in parts:
        moved = [replace(p, start=p.start + at, end=p.end + at) for p in part.phones]
        if phones and moved and phones[-1].symbol == moved[0].symbol == SILENCE:
            moved[0] = replace(moved[0], start=phones.pop().start)
        phones += moved
        words += [replace(w, start=w.start + at, end=w.end + at) for w in part.words]
        at += part.duration
    return Utterance(np.concatenate([part.samples for part in parts]), tuple(phones), tuple(words))


def speak(text: str, *, voice: Voice, seed: int = 0) -> Utterance:
    """`text`, sentence by sentence with natural pauses. The same seed gives the same samples.

    Words are taken as they stand between spaces: write numbers and abbreviations out.
    """
    tts, _ = _load()
    rng = np.random.default_rng(seed)
    parts = []
    for sentence in tts.split_sentences(text):
        (phonemes,) = tts.phonemize(sentence)
        parts += [_sentence(sentence, phonemes, voice, rng), silence(rng.uniform(0.2, 0.45))]
    return join(parts[:-1])


@cache
def _load() -> tuple[Any, Any]:
    """Hibari, and its network with the durations as one more output."""
    import onnx
    import onnxruntime
    from hibari import Hibari

    tts = Hibari()
    model = onnx.load(tts.model_path)
    # phones are stretched over time by comparing frame numbers with the running sum of durations
    durations = next(node.input[0] for node in model.graph.node if node.op_type == "CumSum")
    info = onnx.helper.make_tensor_value_info(durations, onnx.TensorProto.INT64, None)
    model.graph.output.append(info)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return tts, session


def _sentence(text: str, phonemes: str, voice: Voice, rng: np.random.Generator) -> Utterance:
    from hibari import dsp

    tts, session = _load()
    symbols = ["", *(c for c in phonemes if c in tts.vocab), ""]
    inputs = {
        "ids": np.asarray([tts.ids(phonemes)], np.int64),
        "speed": np.asarray([voice.pace], np.float32),
    }
    *spectra, durations = session.run(None, inputs)
    harmonic, turn, noise, rest, phase, f0 = (part[0] for part in spectra)
    bins = np.arange(len(harmonic)) / voice.formants
    harmonic, turn, noise, rest = (_stretch(p, bins) for p in (harmonic, turn, noise, rest))
    f0 = f0 * voice.pitch
    samples = dsp.synth(harmonic, turn, noise, rest, phase, f0, rng)
    ends = np.cumsum(durations.reshape(-1)) * TOKEN - LEAD
    phones, groups = _phones(symbols, ends, samples)
    spellings = text.split()
    assert len(spellings) == len(groups), f"{len(groups)} spoken words for {spellings}"
    # the network's own padding is cut to what a careful editor would leave
    first, last = phones[0].start - 0.04, phones[-1].end + 0.10
    begin, stop = round(first * SAMPLE_RATE), min(round(last * SAMPLE_RATE), len(samples))
    words = tuple(
        Word(
            spelling.strip('.,;:!?"—'),
            phones[group[0]].start - first,
            phones[group[-1]].end - first,
        )
        for spelling, group in zip(spellings, groups, strict=True)
    )
    level = 0.07 / float(np.sqrt(np.mean(samples**2)))
    cut = _fade(np.clip(samples[begin:stop] * level, -0.95, 0.95))
    moved = [replace(p, start=p.start - first, end=p.end - first) for p in phones]
    return Utterance(cut, _with_silences(moved, len(cut) / SAMPLE_RATE), words)


def _stretch(spectrum: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """`spectrum` (bins, frames) read at other, fractional `bins`; the last one is repeated."""
    low = np.minimum(np.floor(bins).astype(int), len(spectrum) - 1)
    high = np.minimum(low + 1, len(spectrum) - 1)
    part = (bins - np.floor(bins)).astype(np.float32)[:, None]
    return spectrum[low] * (1 - part) + spectrum[high] * part


def _phones(symbols: list[str], ends: np.ndarray, samples: np.ndarray) -> tuple[list[Phone], list[list[int]]]:
    """Sounding phones in order, and for each word the numbers of its phones.

    A stress mark's time belongs to its vowel; the time of a space is shared by its neighbours.
    Before a pause the network lets the last phone run into the silence: it ends where the sound
    does.
    """
    phones: list[Phone] = []
    groups: list[list[int]] = [[]]
    start, stressed = float(ends[0]), False
    for symbol, previous, following, end in zip(symbols[1:-1], symbols, symbols[2:], ends[1:], strict=False):
        if symbol == " ":
            groups.append([])
            if previous not in _PAUSES:
                middle = 0.5 * (start + float(end))
                phones[-1] = replace(phones[-1], end=middle)
                start = middle
            else:
                start = float(end)
        elif symbol in _STRESS:
            stressed = True
        elif symbol in _PAUSES:
            start = float(end)
        else:
            stop = float(end)
            if following in _PAUSES:
                stop = _sound_end(samples, start, stop)
            groups[-1].append(len(phones))
            phones.append(Phone(symbol, start, stop, stressed))
            start, stressed = float(end), False
    return phones, [group for group in groups if group]


def _sound_end(samples: np.ndarray, start: Seconds, end: Seconds) -> Seconds:
    """The last moment in between that is louder than 1 % of the loudest."""
    step = SAMPLE_RATE // 100
    inside = samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    blocks = inside[: len(inside) // step * step].reshape(-1, step)
    loud = np.flatnonzero(np.abs(blocks).max(axis=1) > 0.01 * np.abs(samples).max())
    return start + max(0.06, 0.01 * float(loud[-1] + 1)) if len(loud) else end


def _with_silences(phones: list[Phone], duration: Seconds) -> tuple[Phone, ...]:
    """The same phones with `sil` in the gaps."""
    filled: list[Phone] = []
    at = 0.0
    for phone in phones:
        if phone.start > at + 1e-6:
            filled.append(Phone(SILENCE, at, phone.start))
        filled.append(phone)
        at = phone.end
    if duration > at + 1e-6:
        filled.append(Phone(SILENCE, at, duration))
    return tuple(filled)


def _fade(samples: np.ndarray) -> np.ndarray:
    ramp = np.linspace(0, 1, SAMPLE_RATE // 100, dtype=np.float32)
    faded = samples.copy()
    faded[: len(ramp)] *= ramp
    faded[-len(ramp) :] *= ramp[::-1]
    return faded
