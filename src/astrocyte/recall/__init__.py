"""From a question to ranked memories: derived indexes, evidence, fusion, honest scores."""
