"""Embedding models behind one small interface; the heavy libraries are imported when a model is loaded, not before."""
