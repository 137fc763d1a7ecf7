"""Rules for English, American in dates, money and the order of things."""
