from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aster.transport.relay.challenge import CONTEXT, message_to_sign, new_challenge, proves


def test_the_holder_of_the_key_proves_it_and_nobody_else_does() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    challenge = new_challenge()
    signature = key.sign(message_to_sign(challenge))
    assert proves(public, signature, challenge)
    assert not proves(public, other.sign(message_to_sign(challenge)), challenge)
    assert not proves(other.public_key().public_bytes_raw(), signature, challenge)


def test_a_signature_is_good_for_one_challenge_and_one_purpose() -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    challenge = new_challenge()
    assert not proves(public, key.sign(message_to_sign(new_challenge())), challenge)
    assert not proves(public, key.sign(challenge), challenge)
    assert not proves(public, key.sign(blake3(challenge).digest()), challenge)
    assert message_to_sign(challenge) == blake3(challenge, derive_key_context=CONTEXT).digest()


def test_bytes_that_are_no_key_prove_nothing() -> None:
    assert not proves(b"\xff" * 32, bytes(64), new_challenge())
    assert not proves(b"", b"", new_challenge())
