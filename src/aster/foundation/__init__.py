"""What two or more systems need: settings, errors, logs, SQL, the audit chain, HTTP pieces, health. Knows no system."""
