"""What the puppets say: ordinary sentences with every phone of English, all words written out."""

import random
from collections.abc import Iterator

MONOLOGUES = (
    "Good morning, and thank you for joining me. I would like to talk about a small garden "
    "behind my house. It was nothing but weeds and broken bricks when I moved in.",
    "The first thing I planted was a pear tree. My neighbour laughed, because pears take "
    "years to grow. But patience is a kind of treasure, and I had plenty of time.",
    "In the spring, bees come to visit the purple flowers. They move slowly from bloom to "
    "bloom, humming to themselves. I often sit on the bench with a cup of tea and watch them.",
    "Rain is always welcome here. We catch it in two large barrels by the shed, and use it "
    "when the weather turns dry. Nothing smells better than warm earth after a shower.",
    "Last summer a fox began to appear at the edge of the lawn. She never came close, yet she "
    "watched us eat supper. By autumn she had brought four little cubs.",
    "People ask me which vegetables are easy. I usually suggest beans, beets and radishes. "
    "Choose a sunny spot, give them good soil, and keep the mice away.",
    "My favourite job is mending old tools. You oil the wood, sharpen the edge, and polish "
    "away the rust. Five minutes of care can save a spade for another fifty years.",
    "Sometimes things go wrong, of course. A storm knocked down the fence, and the pumpkins "
    "vanished overnight. Oh well, we joked that somebody had enjoyed a huge pie.",
    "When winter arrives, I measure the beds and draw a new map. Should the roses move toward "
    "the wall? Would blue or yellow look better beside the path? Both, I think.",
    "So that is my garden, and my usual advice is simple. Begin with one pot, one plant, and "
    "a bit of water every day. The pleasure of watching it grow is worth the effort.",
)

TITLE = "A garden interview"

INTERVIEW = (
    (None, TITLE),
    ("two", "Welcome to the show. What made you start a garden in the middle of the city?"),
    ("one", "Honestly, it was the noise. I wanted a quiet place where I could hear a bird sing."),
    ("two", "And how many hours do you spend there every week?"),
    ("one", "Perhaps six or seven. On a bright Sunday I may forget to come back inside."),
    ("two", "Would you share one mistake that taught you something useful?"),
    ("one", "I gave the young trees too much water. Roots need air as well, so now I check the "
     "soil with my finger first."),
    ("two", "That is a lovely thought to finish on. Thank you very much for your time."),
    ("one", "Thank you, it was a pleasure."),
)  # fmt: skip

WHO = ("I", "we", "my brother", "my sister", "our neighbour", "the old man", "the children")
DID = ("found", "saw", "counted", "painted", "carried", "sold", "watched")
HOW_MANY = ("two", "three", "four", "five", "six", "seven", "nine")
WHICH = ("red", "blue", "brown", "green", "yellow", "small", "ripe")
WHAT = ("plums", "hens", "boats", "roses", "apples", "birds", "barrels")
WHERE = (
    "by the river",
    "behind the house",
    "in the garden",
    "near the shed",
    "under the tree",
    "at the pond",
)
WHEN = ("this morning", "last night", "in the spring", "on Sunday", "before supper", "after the rain")
SMALL_TALK = (
    "Hello, how are you today?",
    "Yes, I think so.",
    "No, not yet.",
    "Thank you very much.",
    "That is good to hear.",
    "Would you like some tea?",
    "Come and see the garden.",
    "I would love to.",
)


def readings(number: int) -> Iterator[str]:
    """Texts that the first puppet reads aloud, the same ones each time: few words in many orders.

    A voice that is learnt from minutes says new sentences of these words, and stumbles over others.
    """
    rng = random.Random(0)
    for _ in range(number):
        said = [rng.choice(SMALL_TALK)]
        for _ in range(2):
            parts = (WHO, DID, HOW_MANY, WHICH, WHAT, WHERE, WHEN)
            sentence = " ".join(rng.choice(part) for part in parts)
            said.append(f"{sentence[0].upper()}{sentence[1:]}.")
        yield " ".join(said)


HELD_OUT = "My brother packed a picnic, fresh bread and five ripe plums, and we walked to the river."
