"""Finding an endpoint on the same network by its key: a question by multicast, a signed answer."""
