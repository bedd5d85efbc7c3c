"""A small but real AI service: it answers customers who want their money back, and can be broken on purpose."""
