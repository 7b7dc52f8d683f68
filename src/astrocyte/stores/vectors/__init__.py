"""Migrations of what PostgreSQL keeps beside the rows: vectors of large banks, for pgvector's indexes."""
