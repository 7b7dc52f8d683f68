"""Answers made from memories."""
