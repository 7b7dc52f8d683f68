"""`aster up`: the three systems in one process, on one HTTP port, one P2P node and one data directory."""
