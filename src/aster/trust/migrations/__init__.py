"""Migrations of the admission journal."""
