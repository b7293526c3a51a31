"""The live watch: one room per track, one mailbox per watcher, every frame encoded once and shared."""
