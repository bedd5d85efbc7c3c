"""The composition root: what is wired to what, and what runs where."""
