"""The policy service's tables, as plain SQL applied in order. Every table starts with its tenant."""
