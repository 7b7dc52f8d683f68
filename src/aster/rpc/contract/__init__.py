"""Contracts: what a service promises on the wire, as a description, an id, a manifest, and a comparison."""
