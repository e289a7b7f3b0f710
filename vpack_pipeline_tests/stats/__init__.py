"""Statistics against named outside results (gold/), properties and edge rules."""
