"""The tables of what sources have delivered."""
