"""The async shell: who leads a track, what moves its rounds on, how tickets are sent and watchers are served."""
