"""Live mode: real `georeg serve` processes, every link between regions through a real Toxiproxy."""
