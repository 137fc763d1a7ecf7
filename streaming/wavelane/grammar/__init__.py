"""Small closed grammars (JSGF): what may be said in a session, and what it means."""

from wavelane.grammar.grammar import Grammar, Limits, Understanding
from wavelane.grammar.interpretation import Reading
from wavelane.grammar.library import UNLIMITED, GrammarLibrary

__all__ = ["UNLIMITED", "Grammar", "GrammarLibrary", "Limits", "Reading", "Understanding"]
