"""When each word of a corrected text is spoken, from the times of the words it was corrected from."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from understudy.data.media import Seconds

Word = list[Any]  # start, end, the word, confidence
LEAST: Seconds = 0.08  # for a word


def retimed(words: Sequence[Word], text: str, start: Seconds, end: Seconds) -> list[Word]:
    """The words of `text`: those that stand in `words` keep their times, others share what is between.

    `start` and `end` are the clip's, for a text of which no word has a time.
    """
    said = text.split()
    if [word[2] for word in words] == said:
        return list(words)
    result: list[Word] = []
    before, after = [_key(word[2]) for word in words], [_key(word) for word in said]
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            timed = zip(words[a0:a1], said[b0:b1], strict=True)
            result += [[word[0], word[1], name, *word[3:]] for word, name in timed]
        elif tag == "replace":
            result += _spread(said[b0:b1], words[a0][0], words[a1 - 1][1])
        elif tag == "insert":
            first = result[-1][1] if result else start
            last = words[a0][0] if a0 < len(words) else end
            if last - first < LEAST * (b1 - b0) and result:  # it was heard as part of the word before
                neighbour = result.pop()
                shared = _spread([neighbour[2], *said[b0:b1]], neighbour[0], max(last, first))
                shared[0][3:] = neighbour[3:]
                result += shared
            else:
                result += _spread(said[b0:b1], first, max(last, first))
    return result


def _key(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())


def _spread(said: Sequence[str], start: Seconds, end: Seconds) -> list[Word]:
    """Words one after the other, each as long as its letters; a person wrote them: confidence 1."""
    letters = [0]
    for word in said:
        letters.append(letters[-1] + len(word))
    at = [round(start + (end - start) * n / letters[-1], 3) for n in letters]
    return [[at[k], at[k + 1], word, 1.0] for k, word in enumerate(said)]
