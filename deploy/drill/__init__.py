"""Backs the database up, restores it elsewhere and proves on the copy that nothing is lost, doubled or paid twice."""
