"""Text in clauses, each as early as it is certain, so that a voice can begin before the text is complete."""

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# a full stop after these ends no sentence: they stand before what they belong to
_TITLES = _set(
    "Adm Atty Capt Cmdr Col Cpl Dr Fr Ft Gen Gov Hon Hr Lt Maj Mlle Mme Mr Mrs Ms Msgr Mt Pres Prof Rep Rev "
    "Rs Sen Sgt St Supt Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Okt Nov Dec Dez bzw ca cf evtl ggf vgl vs"
)
# these are words too, unless a number follows
_BEFORE_NUMBERS = _set("art ch fig figs no nos nr p par pp vol")
# conjunctions and prepositions: before them one may take a breath
_BEGINNINGS = _set(
    "although and because but if nor or since so that though unless until when where whereas whether which "
    "while who about above after against along among around at before behind below between by during for "
    "from in into near off on over through to toward towards under upon via with within without "
    "aber damit dass denn ob obwohl oder und weil wenn et mais ou parce puis quand pero porque"
)
_FEWEST_WORDS = 3  # a shorter clause, unless it is the first, goes on over a comma: "red, green, and"
_CLOSING = "\"'”’»)]}"
_OPENING = "\"'“‘«„([{¿¡"


class Clauses:
    """Splits a text that arrives in pieces, which may end within words.

    The clauses joined by single spaces are the text with its white space made single spaces, and they are
    the same however the text is cut into pieces. The first may end before a conjunction or preposition when
    it has `first_words` words, or anywhere when it has twice as many, to be heard soon; later ones end where
    the text has a pause. None has more than `longest` characters, unless it is a single word.
    """

    def __init__(self, *, first_words: int = 4, longest: int = 120) -> None:
        assert min(first_words, longest) > 0
        self.first_words = first_words
        self.longest = longest
        self._part = ""  # of a word that may go on
        self._words: list[str] = []  # of the clause that is not complete
        self._first = True

    def push(self, piece: str) -> list[str]:
        """The clauses that this piece of text makes certain."""
        text = self._part + piece
        words = text.split()
        self._part = words.pop() if words and not text[-1].isspace() else ""
        ready = [clause for word in words for clause in self._add(word)]
        # how a word begins may tell that the one before it was the last
        return ready + (self._end_before(self._part) if self._part.lstrip(_OPENING) else [])

    def finish(self) -> list[str]:
        """The clauses that are left when nothing follows; then another text may begin."""
        ready = self.push(" ") + ([" ".join(self._words)] if self._words else [])
        self._words, self._first = [], True
        return ready

    def _add(self, word: str) -> list[str]:
        ready = self._end_before(word)
        if self._soon(word):
            ready.append(self._take(len(self._words)))
        while self._words and len(" ".join([*self._words, word])) > self.longest:
            ready.append(self._take(_best_break(self._words, word)))
        self._words.append(word)
        if _pauses(word) and self._enough():
            ready.append(self._take(len(self._words)))
        return ready

    def _end_before(self, following: str) -> list[str]:
        over = self._words and _pauses(self._words[-1], following) and self._enough()
        return [self._take(len(self._words))] if over else []

    def _take(self, count: int) -> str:
        taken, self._words = self._words[:count], self._words[count:]
        self._first = False
        return " ".join(taken)

    def _enough(self) -> bool:
        return (
            self._first
            or len(self._words) >= _FEWEST_WORDS
            or self._words[-1].rstrip(_CLOSING)[-1:] in ".!?…"
        )

    def _soon(self, following: str) -> bool:
        count = len(self._words)
        early = count >= self.first_words and following.lower() in _BEGINNINGS
        return self._first and (early or count >= 2 * self.first_words)


def clauses(text: str, *, first_words: int = 4, longest: int = 120) -> list[str]:
    """The clauses of a text that is complete."""
    splitter = Clauses(first_words=first_words, longest=longest)
    return splitter.push(text) + splitter.finish()


def ends_sentence(word: str, following: str) -> bool:
    """Whether a sentence is over with `word`, both words as they stand in a text; "" follows the last one.

    "Dr.", "U.S." and "J." within a text do not end one, nor does a full stop before a small letter.
    """
    word, following = word.rstrip(_CLOSING), following.lstrip(_OPENING)
    if not word.endswith(".") or word.endswith(".."):
        return word.endswith(("!", "?", "…", ".."))
    name = word.strip("." + _OPENING)
    if name.lower() in _BEFORE_NUMBERS:
        return not following[:1].isdigit()
    letters = re.search(r"[^\W\d_]\.[^\W\d_]", name) or (len(name) == 1 and name.isupper())
    goes_on = name in _TITLES or (letters and name.lower() not in ("a.m", "p.m", "i"))
    return not following or not (goes_on or following[0].islower())


def _pauses(word: str, following: str | None = None) -> bool:
    """Whether a clause is over with `word`; without `following` only if that is certain."""
    bare = word.rstrip(_CLOSING)
    if following is None:
        certain = bare.endswith((";", ":", "!", "?", "…", "—")) or bare in ("-", "–", "--")
        return certain or (bare.endswith(",") and not any(letter.isdigit() for letter in bare))
    if bare.endswith(","):  # "Jan. 3rd, 2024" is one date
        return not following.lstrip(_OPENING)[:1].isdigit()
    return _pauses(word) or ends_sentence(word, following)


def _best_break(words: list[str], following: str) -> int:
    """How many of `words` make a clause where `following` does not fit any more."""
    places = range(len(words), 0, -1)
    after = [*words[1:], following]
    for good in (
        lambda place: _pauses(words[place - 1], after[place - 1]),
        lambda place: after[place - 1].lower() in _BEGINNINGS,
    ):
        for place in places:
            if good(place):
                return place
    return len(words)
