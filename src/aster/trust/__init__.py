"""Who may connect: root keys, and later credentials, the identity file and admission."""
