"""Signed tokens (JWT) and the keys that their issuers publish. Needs PyJWT and httpx: import it where it is used."""
