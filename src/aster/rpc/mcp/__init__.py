"""The methods of a server as tools of the Model Context Protocol."""
