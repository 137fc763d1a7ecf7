"""From the words a model hears to the text a person reads: written numbers, punctuation, capitals, replacements."""
