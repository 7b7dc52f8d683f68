"""Memory for agent frameworks, one module each; every one needs the extra that is named like it."""
