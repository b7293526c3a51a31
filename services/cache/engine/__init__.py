"""The async shell: the two tiers, the topics, and the follower that keeps both in touch with the other replicas."""
