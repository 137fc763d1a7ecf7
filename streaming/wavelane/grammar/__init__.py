"""Small closed grammars (JSGF): what may be said in a session, and what it means."""

from wavelane.grammar.grammar import Grammar, Limits, Understanding
from wavelane.grammar.interpretation import Reading

__all__ = ["Grammar", "Limits", "Reading", "Understanding"]
