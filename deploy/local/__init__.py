"""The whole of Furlong on one machine, on real parts from wheels."""
