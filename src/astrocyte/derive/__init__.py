"""Knowledge made from memories in the background, each piece with what it was made from."""
