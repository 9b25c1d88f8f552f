"""What the puppets say: ordinary sentences with every phone of English, all words written out."""

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

# read aloud without a picture: a voice wants more speech than a face
READINGS = (
    "My brother keeps three brown hens in the yard, and each of them has a name. They lay fresh eggs "
    "in the morning and sleep on a beam at night. When it rains, they hide below the bench and look "
    "at me as if I had made the weather.",
    "Hello, and how are you today? I am very well, thank you. Come in, sit down, and tell me what "
    "happened. Would you like some tea, or is it too late for that?",
    "We walked along the river until the path was gone. The water was quick and cold, yet children "
    "jumped from the bridge and shouted with joy. An old man sold us ripe plums and bread from a "
    "basket.",
    "Yes, of course. No, not yet. Maybe tomorrow, or the day after. I do not know, but I can ask. "
    "That sounds good to me. Let us see what the weather says.",
    "Please leave the key under the blue pot near the door. If nobody answers, ring twice and wait a "
    "few minutes. The dog will bark, but he is only asking for his picnic.",
    "The train leaves at nine and arrives before noon. I took a seat by the window and counted "
    "bridges. When I woke up, we were in another country, and somebody had put a coat over me.",
    "There are five things that I always pack: a map, a knife, some string, a clean shirt and a good "
    "book. The rest can be bought, borrowed, or forgotten without any harm.",
    "Cut the onions small and fry them in butter. Add rice, then broth, a little at a time, and stir. "
    "In half an hour you have supper for four, or for one who is very hungry.",
    "She opened the window to hear the music from the square. A boy played the violin, and two girls "
    "danced in yellow shoes. Nobody knew the song, and everybody hummed it on the way home.",
    "I used to think that work was the opposite of joy. Then I watched a potter turn clay for a whole "
    "afternoon. She whistled, and each bowl was a bit different from the last.",
    "The doctor told my uncle to rest and to drink more water. He agreed at once, went out, and "
    "chopped wood until the evening. Thirty years later he is still the healthiest of us all.",
    "My grandmother wrote letters with a fountain pen. She measured her words, and never crossed one "
    "out. I have kept them all in a wooden box, and read one each year on her birthday.",
    "Take the second road on the left, pass the church and the village pond, and turn right at the "
    "large oak tree. You cannot miss the house: its roof is green and the chimney leans toward the "
    "hill.",
    "The cat next door visits us at noon. She checks the kitchen, accepts a piece of cheese, and goes "
    "to sleep on the warm stones. We did not choose her. It was she who chose us.",
    "In winter the lake is frozen and quiet. We fish through a hole in the ice, tell each other the "
    "same old stories, and eat hot soup from a jar. My father packed it, and my sister usually "
    "finishes it.",
    "How far is the moon? Further than I could walk in ten years, without a rest. And yet it pulls "
    "the whole sea up and down twice a day, as if it were a cloth on a table.",
    "A ship came into the harbour with oranges, spices, and a crew that spoke seven languages. They "
    "cooked on the beach, shared whatever they had, and sailed away before we could thank them.",
    "Listen, there is a voice in the hall. No, it is only the radio. They are talking about snow in "
    "the north and a storm on the coast. We should bring the wood inside before dark.",
    "What would you do with an extra hour each day? I would read, or sleep, or walk to the river with "
    "my brother. Perhaps I would do nothing at all, and enjoy every minute of it.",
    "Learning a language is like moving into a house. First you find the door, then the light, and "
    "one day you know where the spoons are without thinking about it.",
)

HELD_OUT = "My brother packed a picnic, fresh bread and five ripe plums, and we walked to the river."
