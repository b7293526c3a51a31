"""cache: entries in two tiers, and topics between replicas. Nothing depends on it but speed."""
