"""The audit log's tables, as plain SQL applied in order."""
