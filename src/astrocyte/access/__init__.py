"""Who is calling and what they may do: one question, asked by every way in."""
