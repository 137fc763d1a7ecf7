"""English swear words and slurs, masked but for their first letter.

A short list of our own: open lists (better-profanity, MIT; LDNOOBW, CC BY) also hold "kill", "fat", "organ", "vodka"
and "drunk", and would mask ordinary speech. Words are matched whole, so that "Scunthorpe" and "cocktail" stay.
"""

import re

_WORDS = re.compile(
    r"(?:mother|cluster|bull|horse|bat|dip|dumb|jack|smart|bad|fat|lazy|mind)?-?"
    r"(?:fuck(?:s|ed|er|ers|ing|in|in'|wit|wits|head|heads|face|tard|up|ups)?|shit(?:s|ty|ting|ted|ter|head|heads|hole|"
    r"holes|face|faced|show|storm)?|ass(?:hole|holes|hat|hats|wipe|wipes|clown)|(?<=[a-z])ass(?:es)?)"
    r"|ass|arse(?:s|hole|holes)?|cunt(?:s|y)?|bitch(?:es|y|ing|in)?|bastard(?:s)?|cock(?:sucker|suckers|sucking|head)"
    r"|dickhead(?:s)?|piss(?:ed|ing|er|es)?|slut(?:s|ty)?|whore(?:s)?|twat(?:s)?|wank(?:er|ers|ing)?|tosser(?:s)?"
    r"|prick(?:s)?|pussy|pussies|bollocks|goddamn(?:ed|it)?|goddammit|douche(?:bag|bags)?|tit(?:s|ties)"
    r"|nigg(?:er|ers|a|as|az)|fag(?:got|gots|s)?|retard(?:s)?|kike(?:s)?|spic(?:s)?|wetback(?:s)?|tranny|trannies"
)


def masked(text: str, key: str) -> str:
    """The word as it is shown: ``f***``, with the punctuation around it. ``key`` is the bare lower-case word."""
    if not key or not _WORDS.fullmatch(key.removesuffix("'s")):
        return text
    begin = text.casefold().find(key)
    end = begin + len(key)
    return f"{text[: begin + 1]}{'*' * (end - begin - 1)}{text[end:]}" if begin >= 0 else text
