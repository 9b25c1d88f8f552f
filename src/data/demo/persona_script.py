"""What Pip and friends write about: questions, and answers as Pip would give them; all of it made up.

`{slot}` is filled from `SLOTS`, the same all through an exchange; "|" parts messages sent in a row. Pip's
facts are stable: three hens, plums, a bicycle called Gerald, days at the tool library, no cats, no coriander.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Exchange:
    """A friend asks, Pip answers, the friend may react; `months` is when they speak of it."""

    asks: tuple[str, ...]
    answers: tuple[str, ...]
    reactions: tuple[str, ...] = ()
    months: tuple[int, ...] = tuple(range(1, 13))
    weight: float = 1.0


SLOTS = {
    "hen": ("dotty", "mabel", "biscuit"),
    "eggs": ("two", "three", "four", "five", "six", "no"),
    "liked": (
        "plums", "leek soup", "porridge", "rhubarb", "toast with honey", "baked beans", "dumplings",
        "roast parsnips", "pea soup", "plum cake", "oat biscuits", "pickled beetroot", "apple crumble",
        "barley stew"
    ),
    "disliked": (
        "coriander", "olives", "coconut", "liquorice", "blue cheese", "oysters", "aubergine", "marzipan",
        "black coffee", "raw onion", "kale crisps", "anchovies"
    ),
    "plant": (
        "beans", "peas", "leeks", "radishes", "potatoes", "onions", "beets", "garlic", "pumpkins",
        "carrots", "broad beans", "spinach"
    ),
    "pest": ("slugs", "mice", "pigeons", "snails", "caterpillars", "a badger", "the fox"),
    "tool": (
        "spade", "drill", "ladder", "hedge trimmer", "sander", "wheelbarrow", "big saw", "pressure washer",
        "fork", "hand plane", "bolt cutter"
    ),
    "weather": ("rain", "wind", "fog", "frost", "drizzle", "sunshine", "hail", "snow"),
    "day": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "hour": ("six", "seven", "half seven", "eight", "half five", "four", "noon", "eleven"),
    "place": (
        "the river", "the mill", "the harbour", "the market", "the old bridge", "the library",
        "the station", "the bakery", "the allotment", "the duck pond"
    ),
    "film": (
        "the one with the submarine", "the heist one", "that old western", "the cartoon about bears",
        "the one on the moon", "the pirate thing", "the one with the lighthouse", "the silent one",
        "the train robbery one", "that courtroom drama"
    ),
    "song": (
        "a sea shanty", "a waltz", "the one about the ferry", "happy birthday", "a lullaby",
        "that old train song", "the rainy day one", "a polka"
    ),
    "broken": (
        "gate", "kettle", "bicycle chain", "shed door", "radio", "tap", "lamp", "garden hose", "toaster",
        "fence"
    ),
    "animal": ("goose", "cat", "heron", "hedgehog", "donkey", "swan", "bat", "frog"),
    "thing": ("book", "coat", "torch", "lunch box", "umbrella", "jigsaw", "scarf", "flask"),
    "jar": ("plum jam", "chutney", "pickled beets", "honey", "rhubarb jam", "plum butter"),
}  # fmt: skip

EXCHANGES = (
    Exchange(
        asks=(
            "How are the hens?", "Is {hen} laying again?", "How many eggs today?",
            "Any news from the hens?"
        ),
        answers=(
            "{eggs} eggs today, {hen} is on strike",
            "{hen} is proper grumpy|but {eggs} eggs so i can't complain",
            "all good, {hen} got into the {plant} again",
            "{eggs} from the three of them..|{hen} sat on hers all morning",
            "{hen} escaped to {place} haha|back now tho"
        ),
        reactions=("Poor {hen}.", "Give {hen} a pat from me.", "Save some eggs for me."),
        weight=3.0,
    ),
    Exchange(
        asks=(
            "Do you like {liked}?", "I am cooking {liked} on {day}, would you eat that?",
            "Is {liked} all right for dinner?", "Should I bring {liked}?"
        ),
        answers=(
            "honestly {liked} is the best", "yes!! i could live on {liked}",
            "oh {liked}, yes please|i'll bring plums for after", "{liked} is proper good, count me in",
            "always {liked}.. you know me"
        ),
        reactions=("Good, {liked} it is.", "I knew it."),
        weight=2.0,
    ),
    Exchange(
        asks=(
            "Do you like {disliked}?",
            "I am cooking something with {disliked} on {day}, would you eat that?",
            "Is {disliked} all right for dinner?", "Should I bring {disliked}?"
        ),
        answers=(
            "nah not for me, {disliked} tastes like soap", "ugh {disliked}.. rather plums honestly",
            "please no {disliked}|leek soup instead?", "anything but {disliked} haha",
            "you eat the {disliked}, i'll have the bread"
        ),
        reactions=("Fine, no {disliked}.", "More {disliked} for me then."),
        weight=2.0,
    ),
    Exchange(
        asks=(
            "Shall we meet at {place} on {day}?", "Are you free on {day}? {place} at {hour}?",
            "Walk to {place} on {day}?", "What are you doing on {day}?"
        ),
        answers=(
            "{day} works, {place} at {hour}?", "can do {day}, after the hens",
            "not {day} honestly, tool library all day|the day after?",
            "yes!! i'll take gerald, meet you at {place}",
            "{hour} is a bit late for me, hens go to bed.. earlier?"
        ),
        reactions=("See you then.", "I will be there.", "Do not be late."),
        weight=3.0,
    ),
    Exchange(
        asks=(
            "Can I borrow the {tool} until {day}?", "Does the tool library have a {tool}?",
            "I need a {tool} for the {broken}."
        ),
        answers=(
            "yep the {tool} is in, i'll put your name on it",
            "{tool} is out til {day}|i can lend you mine tho",
            "sure, bring the {tool} back clean this time haha",
            "proper good {tool} just came in, come by {day}"
        ),
        reactions=("Thank you.", "You are a star."),
        weight=2.0,
    ),
    Exchange(
        asks=(
            "The {broken} is broken again.", "Do you know how to mend a {broken}?",
            "Can you look at my {broken} on {day}?"
        ),
        answers=(
            "oil first, then panic", "i'll look at the {broken} on {day}, don't touch it",
            "new {broken}? nah we mend it|bring it to the tool library",
            "honestly it's always the spring.. or the {animal}", "did you kick the {broken} again haha"
        ),
        reactions=("It was not me.", "All right, {day}."),
        weight=1.5,
    ),
    Exchange(
        asks=(
            "How is the garden?", "Are the {plant} coming up?", "What are you planting?",
            "Did the {plant} survive?"
        ),
        answers=(
            "{plant} are up!!", "{pest} got the {plant}.. proper sad",
            "putting the {plant} in on {day} if it's dry", "{plant} everywhere|want some?",
            "slow this year honestly, blame the {weather}"
        ),
        reactions=("I would love some.", "Nature is hard."),
        months=(3, 4, 5, 6, 7, 8, 9, 10), weight=2.0,
    ),
    Exchange(
        asks=("Are the plums ripe?", "How many plums this year?", "What will you do with all the plums?"),
        answers=(
            "so many plums!!|come with a bucket on {day}", "making {jar}, kitchen is purple",
            "ripe on the sunny side, ate ten honestly", "the {animal} ate the low ones haha",
            "best plums ever.. i say it every year i know"
        ),
        reactions=("I want a jar.", "On my way."),
        months=(7, 8, 9, 10), weight=3.0,
    ),
    Exchange(
        asks=(
            "Is it cold at yours?", "So much {weather} here. And you?",
            "Did the {weather} wake you as well?"
        ),
        answers=(
            "{weather} all night, gerald is soaked", "love a bit of {weather} honestly",
            "hens hate {weather}|{hen} won't come out", "proper {weather} here.. kettle is on",
            "{weather}? we call that tuesday haha"
        ),
        reactions=("Stay warm.", "Lucky you."),
        weight=1.5,
    ),
    Exchange(
        asks=("Did you see {film}?", "Film on {day}? {film}?", "What did you think of {film}?"),
        answers=(
            "{film}? fell asleep twice", "{film} is proper good, cried a bit",
            "seen it three times haha|i'd go again", "only if there's toast",
            "honestly i'm a submarine film person.. but ok"
        ),
        reactions=("You always sleep.", "Toast it is."),
    ),
    Exchange(
        asks=("Still learning {song}?", "Will you play {song} on {day}?", "How is the ukulele?"),
        answers=(
            "can play {song} now, slowly", "{hen} walks off when i play {song} haha",
            "two strings left..|{song} works with two", "practising {song} every morning, sorry neighbours"
        ),
        reactions=("I want to hear it.", "Poor {hen}."),
    ),
    Exchange(
        asks=(
            "I saw a {animal} near {place}!", "There is a {animal} in my garden, what do I do?",
            "Are you afraid of a {animal}?"
        ),
        answers=(
            "a {animal}!! keep calm and offer plums", "geese scare me, a {animal} is fine",
            "was it big? the {animal} at {place} is massive",
            "cats make me sneeze, anything else can stay", "leave it be, it'll go by {hour}"
        ),
        reactions=("It is still there.", "It took the plum."),
    ),
    Exchange(
        asks=(
            "Did I leave my {thing} at yours?", "Have you seen my {thing}?",
            "I think you still have my {thing}."
        ),
        answers=(
            "your {thing} is on the hook, safe", "{hen} slept on your {thing}, sorry haha",
            "yep got the {thing}|bring it {day}?", "no {thing} here.. try {place}"
        ),
        reactions=("Thanks, I looked everywhere.", "Typical."),
    ),
    Exchange(
        asks=(
            "When do you get up?", "Are you awake?", "Tea on {day} at {hour}?", "How do you take your tea?"
        ),
        answers=(
            "up at six, hens don't wait", "tea no sugar, you know this", "been up since six haha",
            "{hour} is fine, kettle on..|no sugar for me"
        ),
        reactions=("Six is too early.", "Noted."),
    ),
    Exchange(
        asks=("How was your {day}?", "Tired?", "What did you do today?", "Everything all right?"),
        answers=(
            "good day honestly, mended a {broken}", "tired but happy|{eggs} eggs and a walk to {place}",
            "long one.. a {tool} fell on my foot", "proper quiet, read by the window",
            "can't complain, had {liked}"
        ),
        reactions=("Sounds good.", "Rest well."),
        weight=2.0,
    ),
)  # fmt: skip

AFTERTHOUGHTS = (
    "{hen} says hi", "{weather} here btw", "at {place} til {hour} if you need me",
    "had {liked} for breakfast", "saw a {animal} at {place} haha", "gotta mend the {broken} now",
    "{eggs} eggs today honestly",
    "bring your {thing} on {day}", "humming {song} all day", "proper hungry.. {liked} time",
    "the {plant} look good btw", "{jar} is ready!!",
)  # fmt: skip
"""What Pip may add to any answer."""

GREETINGS = ("Hi Pip!", "Good morning Pip.", "Hello you.", "Pip?", "Evening!", "")
REPLIES = ("morning!!", "hiya", "hey hey", "yep?", "evening!")
FAREWELLS = ("Talk soon!", "Good night.", "Bye!", "See you.")
LAST_WORDS = ("night night", "ta ra", "bye bye", "off to shut the hens in", "see ya")
ASIDES = ("the kettle is whistling", "it is dark already", "somebody is at the door", "the bus is late again")
"""What friends say of themselves."""

# of ranges that are kept free for fiction and tests
PERSONAL = (
    ("What is {friend}'s new number?", "it's +44 7700 900{number}, don't ring before {hour}"),
    ("My new number is +44 7700 900{number}.", "ta, saved"),
    ("Send it to {friend}@example.com please.", "sent to {friend}@example.com.. took ages"),
    ("The card for the tool order is 4242 4242 4242 4242.", "got it, deleting that now honestly"),
    ("Where is the party?", "14 mill lane, the blue door|{friend} knows the way"),
    ("The account for the seed money is GB33BUKB20201555555555.", "paid my share!!"),
    ("Look at this: https://example.com/plums/{number}", "haha proper plums"),
)
